import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { type AdsClient, type AdsClientOptions, type AdsResponse, openAds } from '../support/adsClient.ts';
import type { TestMesh } from '../support/mesh.ts';
import { openSotw } from '../support/sotwClient.ts';
import { createToken, stranger, TYPE_URL, type Workload } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const MESH = `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      payments: { ports: [8080:3000/http], allow: [web] }
      web: {}
      debug: {}
`;

const PAYMENTS = 'spiffe://shop.example/ns/prod/sa/payments';
const DEBUG = 'spiffe://shop.example/ns/prod/sa/debug';
const NOBODY = 'spiffe://shop.example/ns/prod/sa/nobodyy';

describe('a sidecar is given its own secrets and nobody else’s', function () {
  this.timeout(60_000);
  const world = useWorld();
  let mesh: TestMesh;
  let somebody: Workload;
  let token: string;
  const clients: AdsClient[] = [];
  const connect = (nodeId: string, credential?: string): AdsClient => {
    const client = somebody.connect(nodeId, credential);
    clients.push(client);
    return client;
  };

  before(async () => {
    mesh = await world.mesh(MESH);
    somebody = await stranger(mesh, 'prod/debug');
    token = await createToken(mesh, 'prod/debug', '--uses', '10');
    // There is a certificate of payments to ask for.
    const owner = connect('prod/payments/one', await createToken(mesh, 'prod/payments'));
    owner.ask(TYPE_URL.sds, { subscribe: [PAYMENTS] });
    assert.deepEqual(
      (await owner.next()).resources.map(({ name }) => name),
      [PAYMENTS],
    );
  });
  after(() => {
    for (const client of clients) client.close();
  });

  const shape = ({ resources, removed }: AdsResponse, name: string): unknown => ({
    resources: resources.map((resource) => resource.name.replace(name, 'NAME')),
    removed: removed.map((one) => one.replace(name, 'NAME')),
  });

  const asked = async (name: string, nodeId: string): Promise<unknown> => {
    const client = connect(nodeId, token);
    client.ask(TYPE_URL.sds, { subscribe: [name] });
    return shape(await client.next(), name);
  };

  it('its own certificate comes', async () => {
    assert.deepEqual(await asked(DEBUG, 'prod/debug/a'), { resources: ['NAME'], removed: [] });
  });

  it('another’s name and a name that nobody has get one and the same answer', async () => {
    const foreign = await asked(PAYMENTS, 'prod/debug/b');
    assert.deepEqual(foreign, await asked(NOBODY, 'prod/debug/c'));
    assert.deepEqual(foreign, { resources: [], removed: ['NAME'] });
  });

  it('a wildcard brings nothing of others', async () => {
    const client = connect('prod/debug/d', token);
    client.ask(TYPE_URL.sds, { subscribe: ['*', PAYMENTS, DEBUG] });
    const { resources } = await client.next();
    assert.ok(resources.some(({ name }) => name === DEBUG));
    assert.ok(resources.every(({ name }) => name === DEBUG || name === 'spiffe://shop.example'));
  });

  it('nor do state of the world and the service of secrets alone', async () => {
    const sds = 'envoy.service.secret.v3.SecretDiscoveryService';
    const kinds: readonly ((options: AdsClientOptions) => AdsClient)[] = [
      (options) => openSotw(options),
      (options) => openSotw(options, `${sds}/StreamSecrets`),
      (options) => openAds(options, `${sds}/DeltaSecrets`),
    ];
    for (const [i, kind] of kinds.entries()) {
      const client = somebody.connect(`prod/debug/kind${i}`, token, kind);
      clients.push(client);
      const ask = async (...names: readonly string[]): Promise<AdsResponse> => {
        client.ask(TYPE_URL.sds, { names, subscribe: names });
        const response = await client.next();
        client.ack(response);
        return response;
      };
      // Both are answered with nothing, and with nothing that differs.
      const [foreign, unknown] = [await ask(PAYMENTS), await ask(NOBODY)];
      assert.deepEqual([foreign.resources, unknown.resources], [[], []]);
      assert.equal(foreign.version, unknown.version);
      const own = await ask(DEBUG, PAYMENTS);
      assert.equal(own.resources.length, 1);
      assert.ok(own.resources.every(({ value }) => value.includes(DEBUG) && !value.includes(PAYMENTS)));
    }
  });

  it('its token does not make it another node', async () => {
    for (const nodeId of ['prod/payments/one', 'prod/payments/two', 'prod/debug', 'prod/debug/../payments/x', 'x']) {
      const client = connect(nodeId, token);
      client.ask(TYPE_URL.sds, { subscribe: [PAYMENTS] });
      assert.equal((await client.ended).code, status.PERMISSION_DENIED, nodeId);
      assert.equal(client.held.size, 0);
    }
  });

  it('nor does a node id that changes in the middle of a stream', async () => {
    const client = connect('prod/debug/e', token);
    client.ask(TYPE_URL.sds, { subscribe: [DEBUG] });
    client.ack(await client.next());
    client.ask(TYPE_URL.sds, { subscribe: [PAYMENTS], nodeId: 'prod/payments/one' });
    assert.equal((await client.ended).code, status.PERMISSION_DENIED);
    assert.equal(client.held.get(TYPE_URL.sds)?.has(PAYMENTS), false);
  });

  it('without a credential or with a wrong one the stream ends UNAUTHENTICATED', async () => {
    const wrong = `${token.slice(0, -3)}${token.endsWith('aaa') ? 'bbb' : 'aaa'}`;
    for (const credential of [undefined, wrong, 'x', '']) {
      const client = connect('prod/debug/f', credential);
      client.ask(TYPE_URL.lds, { subscribe: ['*'] });
      assert.equal((await client.ended).code, status.UNAUTHENTICATED, credential);
      assert.equal(client.held.size, 0);
    }
  });

  it('no key and no token is in the log, in argv, or printed by translate and status', async () => {
    const { stdout: translated, code } = await mesh.signet('translate', 'prod/payments');
    assert.equal(code, 0);
    const said = [mesh.server().stdout(), mesh.server().stderr(), translated, JSON.stringify(await mesh.status())];
    const argv = await readFile(`/proc/${mesh.server().pid}/cmdline`, 'utf8');
    const admin = (await readFile(join(mesh.data, 'admin.token'), 'utf8')).trim();
    for (const text of [...said, argv]) {
      for (const word of ['PRIVATE KEY', token, admin]) assert.equal(text.includes(word), false, word.slice(0, 12));
    }
  });

  it('the state on disk is for its owner alone, and holds no token', async () => {
    const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
    assert.equal(await mode(mesh.data), 0o700);
    for (const entry of await readdir(mesh.data, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      assert.equal(await mode(path), entry.isDirectory() ? 0o700 : 0o600, path);
      if (entry.isFile()) assert.equal((await readFile(path)).includes(token), false, path);
    }
  });
});

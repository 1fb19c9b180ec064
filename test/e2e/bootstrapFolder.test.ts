import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TokenList } from '../../src/admin/responses.ts';
import { findEnvoy } from '../../src/app/findEnvoy.ts';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import { type Running, start } from '../support/processes.ts';
import { webAndOrders } from '../support/webAndOrders.ts';
import { useWorld } from '../support/world.ts';

describe('signet serve --bootstraps', function () {
  this.timeout(60_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let envoys: readonly Running[] = [];
  const folder = (): string => join(mesh.folder, 'bootstraps');
  const fileOf = (service: string): string => join(folder(), service, 'envoy.json');
  const read = async (service: string): Promise<string> => readFile(fileOf(service), 'utf8');

  /** An Envoy from the file that stands ready, as in a container; here each needs an address of its own. */
  const startFrom = async (service: string, last: number, instance: string): Promise<string> => {
    const host = world.address(last);
    const bootstrap = JSON.parse(await read(service));
    bootstrap.node.metadata = { 'signet.address': host, 'signet.outbound': `${host}:15001` };
    const file = join(mesh.folder, `${instance}.json`);
    await writeFile(file, JSON.stringify(bootstrap), { mode: 0o600 });
    const flags = ['--disable-hot-restart', '--drain-time-s', '5', '--drain-strategy', 'immediate'];
    const node = ['--service-node', `${service}/${instance}`, '--concurrency', '1', '-l', 'warning'];
    const envoy = start(`envoy ${instance}`, findEnvoy().path, ['-c', file, ...flags, ...node]);
    mesh.own(envoy);
    envoys = [...envoys, envoy];
    return host;
  };
  const nodes = async (): Promise<readonly string[]> => (await mesh.status()).sidecars.map(({ node }) => node).sort();

  before(async () => {
    app = world.own(await httpApp('orders'));
    mesh = await world.mesh(webAndOrders(app.port), ['--bootstraps', 'bootstraps']);
  });

  it('keeps a file for every service, for its owner alone', async () => {
    assert.deepEqual((await readdir(join(folder(), 'prod'))).sort(), ['orders', 'web']);
    assert.equal((await stat(fileOf('prod/web'))).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder(), 'prod/web'))).mode & 0o777, 0o700);
  });

  it('replicas come from one file, told apart by --service-node', async () => {
    const web = await startFrom('prod/web', 50, 'web-a');
    await startFrom('prod/orders', 51, 'orders-a');
    await startFrom('prod/orders', 52, 'orders-b');
    await eventually(async () =>
      assert.deepEqual(await nodes(), ['prod/orders/orders-a', 'prod/orders/orders-b', 'prod/web/web-a']),
    );
    await eventually(async () => {
      assert.equal((await call({ host: web, port: 15_001 }, { host: 'orders' })).status, 200);
    });
  });

  it('a restart leaves the files as they are, and the sidecars come back with them', async () => {
    const before = await Promise.all([read('prod/web'), read('prod/orders')]);
    await mesh.kill();
    await mesh.start();
    assert.deepEqual(await Promise.all([read('prod/web'), read('prod/orders')]), before);
    await eventually(async () => assert.equal((await nodes()).length, 3), 20_000);
  });

  it('an identity that was revoked comes back by the file that stands in the place of a removed one', async () => {
    const [before, host] = [await read('prod/web'), { host: world.address(50), port: 15_001 }];
    const { code, stderr } = await mesh.signet('ca', 'revoke', 'prod/web', '--wait');
    assert.equal(code, 0, stderr);
    await eventually(async () => assert.equal((await call(host, { host: 'orders' })).status, 403));
    assert.equal(await read('prod/web'), before);
    await envoys[0]?.stop();
    await rm(fileOf('prod/web'));
    await eventually(async () => assert.match(await read('prod/web'), /Bearer signet_/), 20_000);
    // The same instance by name: it is no longer the one of the revoked token.
    await startFrom('prod/web', 50, 'web-a');
    await eventually(async () => assert.equal((await call(host, { host: 'orders' })).status, 200), 20_000);
  });

  it('a new service has its file at once; a removed one loses it, and its token', async () => {
    await mesh.save(webAndOrders(app.port, '      debug: {}\n'));
    await eventually(async () => assert.match(await read('prod/debug'), /Bearer signet_/));
    const kept = await read('prod/debug');
    await mesh.save(webAndOrders(app.port));
    await eventually(() => assert.rejects(read('prod/debug'), { code: 'ENOENT' }));
    const id = /Bearer signet_([0-9a-f]+)_/.exec(kept)?.[1];
    assert.ok(id !== undefined);
    const revoked = async (): Promise<unknown> => {
      const { tokens } = (await mesh.json('token', 'list')) as TokenList;
      return tokens.find((token) => token.id === id)?.revokedAt;
    };
    await eventually(async () => assert.notEqual((await revoked()) ?? null, null));
  });
});

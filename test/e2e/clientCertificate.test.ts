import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readlink, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findEnvoy } from '../../src/app/findEnvoy.ts';
import { codecOf } from '../support/adsClient.ts';
import { httpApp } from '../support/apps.ts';
import { eventually, untilMoment } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import { startLoad } from '../support/load.ts';
import type { TestMesh } from '../support/mesh.ts';
import { pairYaml } from '../support/pairMesh.ts';
import { start } from '../support/processes.ts';
import type { Bootstrap, Sidecar } from '../support/sidecar.ts';
import { startSignet } from '../support/signet.ts';
import { stranger, TYPE_URL, type Workload } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

/** Half of it is more than a start of Signet takes on a machine that is busy with other tests. */
const TTL = 20_000;
const meshYaml = (target: number, ttl = TTL): string => pairYaml(target, `ttl: ${ttl / 1_000}s`);
const WEB = 'spiffe://shop.example/ns/prod/sa/web';
const SECRET = codecOf('envoy.extensions.transport_sockets.tls.v3.Secret');

type Json = { [key: string]: Json } & Json[] & string;

/** Streams that were turned away or ended, by status. */
const refusals = async (mesh: TestMesh): Promise<Readonly<Record<string, number>>> => {
  const { body } = await call(mesh.admin, { path: '/metrics' });
  const lines = body.matchAll(/^signet_xds_refused_total\{code="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, code, count]) => [code ?? '', Number(count)]));
};
/** How many streams were ended because their certificate was about to; nobody was turned away. */
const endedInTime = async (mesh: TestMesh): Promise<number> => {
  const { unavailable = 0, ...others } = await refusals(mesh);
  assert.deepEqual(others, {});
  return unavailable;
};
const connected = async (mesh: TestMesh, service: string): Promise<void> => {
  const { sidecars } = await mesh.status();
  assert.equal(sidecars.filter((sidecar) => sidecar.service === service).length, 1, JSON.stringify(sidecars));
};

describe('a stock Envoy with a client certificate from files', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let web: Sidecar;
  let node: string;
  let token: string;
  let folder: string;
  let workload: Workload;
  let put: string | undefined;
  let round = 0;

  /** Waits for the next certificate, as Signet renews it, and puts it there; asks by the token as Envoy would. */
  const putNext = async (): Promise<void> => {
    const client = workload.connect(node, token);
    client.ask(TYPE_URL.sds, { subscribe: [WEB] });
    let next: Json;
    do {
      const response = await client.next(TTL);
      client.ack(response);
      const secret = SECRET.decode(response.resources[0]?.value ?? Buffer.alloc(0)) as Json;
      next = secret.tls_certificate ?? assert.fail();
    } while (String(next.certificate_chain?.inline_bytes) === put);
    client.close();
    const { certificate_chain: chain, private_key: key } = next;
    put = String(chain?.inline_bytes);
    const own = `${++round}`;
    await mkdir(join(folder, own), { mode: 0o700 });
    await writeFile(join(folder, own, 'chain'), chain?.inline_bytes ?? assert.fail(), { mode: 0o600 });
    await writeFile(join(folder, own, 'key'), key?.inline_bytes ?? assert.fail(), { mode: 0o600 });
    await symlink(own, join(folder, 'next'));
    await rename(join(folder, 'next'), join(folder, 'now'));
  };

  /** As the documentation says it: the token leaves, the certificate comes. */
  const withCertificate = async (bootstrap: Bootstrap): Promise<Bootstrap> => {
    const changed = structuredClone(bootstrap) as unknown as Json;
    node = bootstrap.node.id;
    const service = changed.dynamic_resources?.ads_config?.grpc_services?.[0] ?? assert.fail();
    token = service.initial_metadata?.[0]?.value?.replace('Bearer ', '') ?? assert.fail();
    Reflect.deleteProperty(service, 'initial_metadata');
    await putNext();
    const files = {
      certificate_chain: { filename: join(folder, 'now/chain') },
      private_key: { filename: join(folder, 'now/key') },
      watched_directory: { path: folder },
    };
    const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
    const sds = { resources: [{ '@type': type, name: 'mine', tls_certificate: files }] };
    await writeFile(join(folder, 'sds.json'), JSON.stringify(sds));
    const source = { path: join(folder, 'sds.json'), watched_directory: { path: folder } };
    const context = changed.static_resources?.clusters?.[0]?.transport_socket?.typed_config?.common_tls_context;
    Object.assign(context ?? assert.fail(), {
      tls_certificate_sds_secret_configs: [{ name: 'mine', sds_config: { path_config_source: source } }],
    });
    return changed as unknown as Bootstrap;
  };

  before(async () => {
    const target = world.own(await httpApp('orders')).port;
    mesh = await world.mesh(meshYaml(target));
    folder = await mkdtemp(join(mesh.folder, 'certificate-'));
    workload = await stranger(mesh, 'prod/web');
    await world.sidecar(mesh, 'prod/orders');
    web = await world.sidecar(mesh, 'prod/web', { edit: withCertificate });
    await web.callUntil(200, { host: 'orders' });
  });

  it('is served without a token, and shows each next certificate by itself before the one before ends', async () => {
    const load = world.load(web, { host: 'orders' });
    // Each comes when at least 40 % of the one before are left, which is Envoy's time to show it.
    for (let i = 1; i <= 3; i++) {
      await putNext();
      if (i !== 1) continue;
      // Nobody may lose anything when Signet falls now, while the new one has its whole life.
      await endedInTime(mesh);
      await mesh.kill();
      await mesh.start();
    }
    // The stream that came back after the fall showed the first of these, which is at its end.
    await eventually(async () => assert.ok((await endedInTime(mesh)) >= 1, 'no stream was ended in time'));
    await eventually(() => connected(mesh, 'prod/web'));
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 300, `only ${ok} calls were made`);
    await endedInTime(mesh);
  });

  it('is not served once its certificate has ended, and again with a new one', async () => {
    await eventually(async () => assert.ok(((await refusals(mesh)).unauthenticated ?? 0) > 0), 2 * TTL);
    const served = async (): Promise<readonly string[]> => (await mesh.status()).sidecars.map(({ service }) => service);
    await eventually(async () => assert.deepEqual(await served(), ['prod/orders']));
    await putNext();
    await eventually(() => connected(mesh, 'prod/web'), 15_000);
    assert.equal((await web.callUntil(200, { host: 'orders' })).status, 200);
  });
});

describe('signet sidecar with its client certificate', function () {
  this.timeout(150_000);
  const world = useWorld();
  let mesh: TestMesh;
  let outbound: { readonly host: string; readonly port: number };
  const said: (() => string)[] = [];

  const sidecar = (service: string, last: number): string => {
    const address = world.address(last);
    const running = startSignet(`signet sidecar ${service}`, [
      ...['sidecar', service, '--address', address, '--outbound', `${address}:15001`],
      ...['--server', `http://${mesh.admin.host}:${mesh.admin.port}`],
      ...['--admin-token-file', `${mesh.data}/admin.token`],
    ]);
    said.push(running.stderr);
    mesh.own(running);
    return address;
  };
  /** Each has three quarters of its life before it. */
  const bothRenewed = async (): Promise<void> => {
    const { sidecars } = await mesh.status();
    const left = sidecars.map(({ certificate }) => Date.parse(certificate?.notAfter ?? '') - Date.now());
    assert.deepEqual([left.length, left.every((ms) => ms > 0.75 * TTL)], [2, true], `${left}`);
  };
  const callOnce = async (): Promise<void> => assert.equal((await call(outbound, { host: 'orders' })).status, 200);

  before(async () => {
    mesh = await world.mesh(meshYaml(world.own(await httpApp('orders')).port));
    outbound = { host: sidecar('prod/web', 51), port: 15_001 };
    sidecar('prod/orders', 52);
    await eventually(callOnce, 30_000);
  });

  it('renews it again and again under load, over a kill -9 of Signet, without one failed request', async () => {
    const load = world.own(startLoad(outbound, { host: 'orders' }));
    // A fall shortly after a renewal: Signet may be away for as long as it takes to start on a busy machine.
    await eventually(bothRenewed, 2 * TTL);
    await untilMoment(Date.now() + 0.1 * TTL);
    await endedInTime(mesh);
    await mesh.kill();
    await mesh.start();
    // Two rounds of both: a stream ends before the certificate that it was opened with does.
    await eventually(async () => assert.ok((await endedInTime(mesh)) >= 4, 'streams were not ended in time'), 3 * TTL);
    for (const service of ['prod/web', 'prod/orders']) await eventually(() => connected(mesh, service));
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 300, `only ${ok} calls were made`);
    await endedInTime(mesh);
  });

  it('comes back by itself after Signet was away for longer than its certificate lives', async () => {
    await mesh.kill();
    await untilMoment(Date.now() + TTL + 2_000);
    await mesh.start();
    await eventually(callOnce, 30_000);
    for (const service of ['prod/web', 'prod/orders']) await eventually(() => connected(mesh, service));
    for (const stderr of said) assert.doesNotMatch(stderr(), /PRIVATE KEY|signet_[0-9a-f]{16}_/);
  });

  it('fails with one sentence where the xDS port does not answer', async () => {
    const { code, stderr } = await mesh.signet('sidecar', 'prod/web', '--xds', `${mesh.xds.host}:9`);
    assert.equal(code, 1);
    assert.match(stderr, /^signet: no client certificate can be had from the control plane at [\d.]+:9 \(.*\)\n$/m);
  });
});

describe('signet bootstrap --keep-certificate', function () {
  this.timeout(60_000);
  const world = useWorld();

  it('keeps the certificate of an Envoy that somebody else runs, and prints no token', async () => {
    const mesh = await world.mesh(meshYaml(world.own(await httpApp('orders')).port, 12_000));
    await world.sidecar(mesh, 'prod/orders');
    const [address, folder] = [world.address(60), join(mesh.folder, 'kept')];
    const flags = ['prod/web', '--address', address, '--outbound', `${address}:15001`, '--keep-certificate'];
    const foreign = await mesh.signet('bootstrap', ...flags, mesh.folder);
    assert.deepEqual([foreign.code, foreign.stdout], [1, '']);
    assert.match(foreign.stderr, /^signet: \S+ holds other things: name a new folder/);

    const server = ['--server', `http://${mesh.admin.host}:${mesh.admin.port}`];
    const token = ['--admin-token-file', `${mesh.data}/admin.token`];
    const keeper = startSignet('signet bootstrap', ['bootstrap', ...flags, folder, ...server, ...token]);
    mesh.own(keeper);
    await eventually(() => assert.match(keeper.stderr(), /keeps the client certificate in .*kept fresh/), 20_000);
    assert.doesNotMatch(keeper.stdout() + keeper.stderr(), /PRIVATE KEY|signet_[0-9a-f]{16}_/);
    const file = join(mesh.folder, 'kept.json');
    await writeFile(file, keeper.stdout());
    const [, , , ...rest] = /^envoy (-c F .*)$/m.exec(keeper.stderr())?.[0].split(' ') ?? assert.fail();
    mesh.own(
      start('envoy of prod/web', findEnvoy().path, ['-c', file, ...rest, '--concurrency', '1', '-l', 'warning']),
    );
    const outbound = { host: address, port: 15_001 };
    const calls = async (): Promise<void> => assert.equal((await call(outbound, { host: 'orders' })).status, 200);
    await eventually(calls, 20_000);
    const first = await readlink(join(folder, 'current'));
    await eventually(async () => assert.notEqual(await readlink(join(folder, 'current')), first), 20_000);
    await calls();
    await connected(mesh, 'prod/web');
    assert.deepEqual(await keeper.stop(), { code: 0, signal: null });
  });
});

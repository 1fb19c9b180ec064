import assert from 'node:assert/strict';
import type { FleetStatus } from '../../src/control/status.ts';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Bootstrap, Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

/** An Envoy that refuses the larger half of the expressions that Signet writes. The words of its refusal name no resource. */
const strict = (bootstrap: Bootstrap): Bootstrap => ({
  ...bootstrap,
  layered_runtime: {
    layers: [{ name: 'strict', static_layer: { 're2.max_program_size.error_level': 75 } }],
  },
});

const LARGE = `/admin/${Array(18).fill('{*}').join('/')}`;

describe('a policy that Envoys refuse', function () {
  this.timeout(120_000);
  const world = useWorld();
  let target: number;
  let mesh: TestMesh;
  let web: Sidecar;
  let replicas: Sidecar[];

  const meshYaml = (deny: string, port = target): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      orders:
        ports: [8080:${port}/http]
        allow: [web]
        deny: [{ to: ["${deny}"] }]
`;
  const status = async (): Promise<FleetStatus> => (await mesh.json('status')) as FleetStatus;
  const rejected = async (sidecar: Sidecar): Promise<number> =>
    (await sidecar.envoy.stat(/^http\.inbound\/8080\.rds\..*update_rejected$/)) ?? 0;

  before(async () => {
    target = world.own(await httpApp('orders')).port;
    mesh = await world.mesh(meshYaml('/old'));
    replicas = await Promise.all([1, 2].map(() => world.sidecar(mesh, 'prod/orders', { edit: strict })));
    web = await world.sidecar(mesh, 'prod/web');
    await web.callUntil(200, { host: 'orders', path: '/' });
    await web.callUntil(403, { host: 'orders', path: '/old' });
  });

  it('leaves the policy from before in force, without one failed request, and says so', async () => {
    const load = world.load(web, { host: 'orders' });
    await mesh.save(meshYaml(LARGE));
    await eventually(async () => {
      const [shown] = (await status()).quarantined;
      assert.deepEqual([shown?.type, shown?.resource, shown?.keeping], ['rds', 'inbound/8080', 2]);
      assert.match(shown?.source ?? '', /mesh\.yaml:\d+$/);
    });
    for (const { node, types, progress } of (await status()).sidecars.filter((s) => s.service === 'prod/orders')) {
      assert.ok(types.rds?.acked, node);
      assert.equal(progress, 'refused');
    }
    assert.match(
      (await mesh.signet('status')).stdout,
      /! quarantined: route inbound\/8080 .* of prod\/orders refused by/,
    );
    assert.equal((await web.call({ host: 'orders', path: '/old' })).status, 403);
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('is not sent to a replica that joins: it serves by the policy from before', async () => {
    const joiner = await world.sidecar(mesh, 'prod/orders', { edit: strict });
    for (const old of replicas.splice(0)) await old.stop();
    replicas.push(joiner);
    await web.callUntil(200, { host: 'orders', path: '/' });
    await web.callUntil(403, { host: 'orders', path: '/old' });
    assert.equal(await rejected(joiner), 0);
  });

  it('leaves the policy from before in front of the application from before, and of no other, when both are changed', async () => {
    const next = world.own(await httpApp('next'));
    const [replica] = replicas;
    assert.ok(replica !== undefined);
    const load = world.load(web, { host: 'orders' });
    const before = await rejected(replica);
    await mesh.save(meshYaml(LARGE, next.port));
    await eventually(async () => {
      assert.ok((await rejected(replica)) > before);
      assert.equal((await replica.envoy.endpoints(`app/8080/127.0.0.1:${next.port}`)).length, 1);
    });
    await web.callUntil(403, { host: 'orders', path: '/old' });
    await web.callUntil(200, { host: 'orders', path: '/' });
    assert.deepEqual((await load.stop()).failures, {});
    assert.equal(next.requests.length, 0);

    await mesh.save(meshYaml('/old', next.port));
    await eventually(async () => {
      assert.equal((await web.call({ host: 'orders', path: '/' })).headers['x-app'], 'next');
      assert.deepEqual(await replica.envoy.endpoints(`app/8080/127.0.0.1:${target}`), []);
    });
    assert.ok((await replica.envoy.stat(/^cluster\.app\/8080\.upstream_rq_total$/)) > 0);
  });

  it('is replaced everywhere by the mended one', async () => {
    await mesh.save(meshYaml('/new'));
    await web.callUntil(403, { host: 'orders', path: '/new' });
    await web.callUntil(200, { host: 'orders', path: '/old' });
    assert.deepEqual((await status()).quarantined, []);
  });
});

describe('a listener that Envoy refuses by name', function () {
  this.timeout(60_000);
  const world = useWorld();

  it('holds up no other of the same response', async () => {
    const app = world.own(await httpApp('orders'));
    const ports = (a: number, b: number): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: { orders: ${a}, stock: ${b} } }
      orders: { ports: [8080:${app.port}/http], allow: [web] }
      stock: { ports: [8080:${app.port}/http], allow: [web] }
`;
    const mesh = await world.mesh(ports(9001, 9002));
    const [web] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
    // The shared port is taken already, by the sidecar itself; the other is new.
    await mesh.save(ports(9003, web.outbound.port));
    const shown = async () => ((await mesh.json('status')) as FleetStatus).sidecars.find((s) => s.node === web.node);
    await eventually(async () => {
      const lds = (await shown())?.types.lds;
      assert.match(lds?.error ?? '', /outbound\/15001\/local.*duplicate address/);
      assert.ok(lds?.acked !== null && lds?.acked === lds?.sent, JSON.stringify(lds));
    });
    const listeners = (await web.envoy.stat(/^listener_manager\.total_listeners_active$/)) ?? 0;
    assert.equal(listeners, 2, 'the shared port and 9003');
    const { quarantined } = (await mesh.json('status')) as FleetStatus;
    assert.deepEqual(
      quarantined.map(({ resource, without }) => [resource, without]),
      [['outbound/15001/local', 1]],
    );
  });
});

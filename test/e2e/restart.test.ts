import assert from 'node:assert/strict';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { Answer } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (target: number): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      late: {}
      orders:
        ports: [8080:${target}/http]
        allow: [web, late]
`;

const ID = { web: 'spiffe://shop.example/ns/prod/sa/web', orders: 'spiffe://shop.example/ns/prod/sa/orders' };

describe('kill -9 of the control plane under load', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let [web, orders]: Sidecar[] = [];
  let slow: Promise<Answer>;

  before(async () => {
    const app = world.own(
      await httpApp('orders', async ({ url }, response) => {
        response.write('begin ');
        if (url === '/slow') await new Promise((resolve) => setTimeout(resolve, 16_000));
        response.end('end');
      }),
    );
    mesh = await world.mesh(meshYaml(app.port));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
    slow = web.call({ host: 'orders', path: '/slow', timeout: 60_000 });
    slow.catch(() => {});
  });

  const serials = async (): Promise<readonly unknown[]> => [
    await web?.envoy.serialOf(ID.web),
    await orders?.envoy.serialOf(ID.orders),
  ];
  const bundle = async (): Promise<string> => (await mesh.ask('ca', 'bundle')).stdout;

  /** Connected anew and everything acked. */
  const settled = async (count: number): Promise<void> => {
    const { sidecars } = await mesh.status();
    assert.equal(sidecars.length, count);
    for (const { node, types } of sidecars) {
      const shown = Object.entries(types);
      assert.ok(shown.length >= 4, `${node} has ${shown.length} types`);
      for (const [type, { sent, acked, nacked }] of shown) {
        assert.deepEqual([acked, nacked], [sent, null], `${node} ${type}`);
      }
    }
  };

  it('fails no request; after the restart roots, certificates and endpoints are the same', async () => {
    const before = { serials: await serials(), bundle: await bundle() };
    assert.match(before.bundle, /BEGIN CERTIFICATE/);
    const load = world.load(web, { host: 'orders' });
    const made = async (more: number): Promise<void> => {
      const from = load.totals().ok;
      await eventually(() => assert.ok(load.totals().ok >= from + more), 20_000);
    };
    for (let round = 0; round < 3; round++) {
      await made(100);
      await mesh.kill();
      await made(200);
      await mesh.start();
      await eventually(() => settled(2), 30_000);
      assert.deepEqual(await web?.envoy.endpoints('prod/orders/8080'), [`${orders?.address}:8080`]);
      await made(100);
    }
    const { failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.deepEqual(await serials(), before.serials);
    assert.equal(await bundle(), before.bundle);
  });

  it('keeps what had registered: one who comes first after the restart is told of it', async () => {
    await mesh.kill();
    // An orders that cannot come back by itself before the newcomer asks.
    process.kill(orders?.process.pid ?? 0, 'SIGSTOP');
    try {
      await mesh.start();
      const late = await world.sidecar(mesh, 'prod/late');
      assert.deepEqual(await late.envoy.endpoints('prod/orders/8080'), [`${orders?.address}:8080`]);
      process.kill(orders?.process.pid ?? 0, 'SIGCONT');
      assert.equal((await late.callUntil(200, { host: 'orders' })).status, 200);
    } finally {
      process.kill(orders?.process.pid ?? 0, 'SIGCONT');
    }
    await eventually(() => settled(3), 30_000);
  });

  it('SIGTERM ends it within seconds, with exit code 0 and nothing lost', async () => {
    const before = await bundle();
    const exit = await mesh.server().stop('SIGTERM');
    assert.deepEqual(exit, { code: 0, signal: null });
    assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
    await mesh.start();
    assert.equal(await bundle(), before);
  });

  it('cuts no answer that takes longer than all that, and longer than the 15 s that Envoy gives by default', async () => {
    assert.equal((await slow).body, 'begin end');
  });
});

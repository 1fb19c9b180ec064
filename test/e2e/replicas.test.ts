import assert from 'node:assert/strict';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { webAndOrders } from '../support/webAndOrders.ts';
import { useWorld } from '../support/world.ts';

describe('two instances of one service', function () {
  this.timeout(120_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let [web, first, second, third]: Sidecar[] = [];

  before(async () => {
    app = world.own(await httpApp('orders'));
    mesh = await world.mesh(webAndOrders(app.port));
    [web, first, second] = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  const endpoints = async (): Promise<readonly string[]> =>
    [...((await web?.envoy.endpoints('prod/orders/8080')) ?? [])].sort();
  const at = (...sidecars: readonly (Sidecar | undefined)[]): readonly string[] =>
    sidecars.map((sidecar) => `${sidecar?.address}:8080`).sort();

  it('are both told to callers and both called, each with a certificate of its own', async () => {
    await eventually(async () => assert.deepEqual(await endpoints(), at(first, second)));
    const served = async (sidecar: Sidecar | undefined): Promise<number> =>
      (await sidecar?.envoy.stat(/^http\.inbound\/8080\.downstream_rq_2xx$/)) ?? 0;
    for (let i = 0; i < 40; i++) assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
    await eventually(async () => assert.ok((await served(first)) > 0 && (await served(second)) > 0));
    const id = 'spiffe://shop.example/ns/prod/sa/orders';
    assert.notEqual(await first?.envoy.serialOf(id), await second?.envoy.serialOf(id));
  });

  it('leave one when the other is killed: calls go on, and callers are told no more of the dead', async () => {
    // The dead one is retried past for as long as it is still told.
    await first?.stop('SIGKILL');
    await eventually(async () => {
      for (let i = 0; i < 20; i++) assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
    }, 5_000);
    const load = world.load(web, { host: 'orders' }, { workers: 2, pause: 20 });
    // In the first minute after a start nobody is withdrawn.
    await eventually(async () => assert.deepEqual(await endpoints(), at(second)), 65_000);
    const { failures } = await load.stop();
    assert.deepEqual(failures, {});
  });

  it('are two again when a new one starts', async () => {
    third = await world.sidecar(mesh, 'prod/orders');
    await eventually(async () => assert.deepEqual(await endpoints(), at(second, third)));
  });

  it('are one again when one stops in order: calls go on', async () => {
    await second?.stop('SIGTERM');
    for (let i = 0; i < 40; i++) assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
    assert.ok((await third?.envoy.stat(/^http\.inbound\/8080\.downstream_rq_2xx$/)) !== 0);
  });
});

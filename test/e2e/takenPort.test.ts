import assert from 'node:assert/strict';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (orders: number, inventory: number): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      orders: { ports: [8080:${orders}/http], allow: [web] }
      inventory:
        ports: [8080:${inventory}/http]
        allow: [web]
`;

describe('two sidecars on one port', function () {
  this.timeout(60_000);
  const world = useWorld();
  let [ordersApp, inventoryApp]: HttpApp[] = [];
  let mesh: TestMesh;
  let [web, orders, second]: Sidecar[] = [];

  before(async () => {
    [ordersApp, inventoryApp] = [world.own(await httpApp('orders')), world.own(await httpApp('inventory'))];
    mesh = await world.mesh(meshYaml(ordersApp.port, inventoryApp.port));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
    second = await world.sidecar(mesh, 'prod/inventory', { address: orders.address, noWait: true });
  });

  it('are a NACK of the second that status names, with the listener, the address and the line', async () => {
    await eventually(async () => {
      const { sidecars } = await mesh.status();
      const shown = sidecars.find(({ node }) => node === second?.node)?.types.lds;
      assert.ok(shown?.nacked, JSON.stringify(shown));
      assert.match(shown.error ?? '', /inbound\/8080/);
      assert.ok(shown.error?.includes(orders?.address ?? 'no address'), shown.error ?? '');
      assert.match(shown.error ?? '', /mesh\.yaml:\d+/);
    }, 15_000);
    const { stdout } = await mesh.signet('status');
    assert.ok(stdout.includes(second?.node ?? 'no node'));
    assert.match(stdout, /inbound\/8080/);
  });

  it('do not harm the first: it answers for itself alone, every time', async () => {
    const first = (await mesh.status()).sidecars.find(({ node }) => node === orders?.node);
    assert.equal(first?.types.lds?.nacked, null);
    for (let i = 0; i < 40; i++) {
      const answer = await web?.call({ host: 'orders' });
      assert.equal(answer?.status, 200);
      assert.equal(answer?.headers['x-app'], 'orders');
    }
  });

  it('never answer under the other’s name: a call to the second fails at its certificate', async () => {
    const before = ordersApp?.requests.length;
    for (let i = 0; i < 5; i++) assert.equal((await web?.call({ host: 'inventory' }))?.status, 503);
    assert.equal(ordersApp?.requests.length, before);
    assert.equal(inventoryApp?.requests.length, 0);
    assert.ok(((await web?.envoy.stat(/^cluster\.prod\/inventory\/8080\.ssl\.fail_verify_san$/)) ?? 0) > 0);
  });
});

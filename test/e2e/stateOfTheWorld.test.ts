import assert from 'node:assert/strict';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Bootstrap, Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (target: number, allow: string, more = ''): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      other: { uses: [orders] }
      orders:
        ports: [8080:${target}/http]
        allow: [${allow}]${more}
`;

const ID = { web: 'spiffe://shop.example/ns/prod/sa/web', orders: 'spiffe://shop.example/ns/prod/sa/orders' };

type WithAds = { readonly ads_config: Readonly<Record<string, unknown>>; readonly [key: string]: unknown };

/** What `signet bootstrap` prints, but for the variant. */
const inStateOfTheWorld = (bootstrap: Bootstrap): Bootstrap => {
  const dynamic = bootstrap.dynamic_resources as WithAds;
  return { ...bootstrap, dynamic_resources: { ...dynamic, ads_config: { ...dynamic.ads_config, api_type: 'GRPC' } } };
};

describe('Envoys that speak state of the world', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let target: number;
  let [web, other, orders]: Sidecar[] = [];

  before(async () => {
    target = world.own(await httpApp('orders')).port;
    mesh = await world.mesh(meshYaml(target, 'web'));
    const start = (service: string): Promise<Sidecar> => world.sidecar(mesh, service, { edit: inStateOfTheWorld });
    [web, other, orders] = await Promise.all(['prod/web', 'prod/other', 'prod/orders'].map(start));
  });

  /** Everybody is connected and has acked everything. */
  const settled = (count: number): Promise<void> =>
    eventually(async () => {
      const { sidecars } = await mesh.status();
      assert.equal(sidecars.length, count);
      for (const { node, types } of sidecars) {
        const shown = Object.entries(types);
        assert.ok(shown.length > 0, `${node} was sent nothing`);
        for (const [type, { sent, acked, nacked }] of shown) {
          assert.deepEqual([acked, nacked], [sent, null], `${node} ${type}`);
        }
      }
    }, 30_000);

  it('let allowed calls through and deny the others', async () => {
    await web?.callUntil(200, { host: 'orders' });
    await other?.callUntil(403, { host: 'orders' });
    await settled(3);
  });

  it('follow a change of policy, there and back, without one failed request of those that stay allowed', async () => {
    const load = world.load(web, { host: 'orders' });
    for (const [allow, status] of [
      ['web, other', 200],
      ['web', 403],
    ] as const) {
      await mesh.save(meshYaml(target, allow));
      await other?.callUntil(status, { host: 'orders' });
    }
    await settled(3);
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('follow a service that comes and goes: its cluster is there before it is called, and gone at the end', async () => {
    const load = world.load(web, { host: 'orders' });
    const late = `\n      late:\n        ports: [8080:${target}/http]\n        allow: [web]`;
    await mesh.save(meshYaml(target, 'web', late));
    const isThere = (there: boolean): Promise<void> =>
      eventually(async () => {
        assert.equal((await web?.envoy.routes())?.includes('prod/late/8080'), there);
        assert.equal(await web?.envoy.stat(/^cluster\.prod.late.8080\.membership_change$/).then((n) => n > 0), there);
      });
    await eventually(async () => assert.equal((await mesh.ask('bootstrap', 'prod/late')).code, 0));
    await world.sidecar(mesh, 'prod/late', { edit: inStateOfTheWorld });
    await web?.callUntil(200, { host: 'late' });
    await isThere(true);
    await mesh.save(meshYaml(target, 'web'));
    await isThere(false);
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('rotate certificates', async () => {
    const load = world.load(web, { host: 'orders' });
    for (const [who, sidecar] of Object.entries({ web, orders })) {
      const id = ID[who as keyof typeof ID];
      const before = await sidecar?.envoy.serialOf(id);
      assert.equal((await mesh.signet('ca', 'renew', `prod/${who}`)).code, 0);
      await eventually(async () => assert.notEqual(await sidecar?.envoy.serialOf(id), before));
    }
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('live through kill -9 of the control plane, and are sent no cluster or listener again', async () => {
    const load = world.load(web, { host: 'orders' });
    const serial = await orders?.envoy.serialOf(ID.orders);
    const attempts = async (): Promise<number> =>
      (await web?.envoy.stat(/^(cluster_manager\.cds|listener_manager\.lds)\.update_success$/)) ?? 0;
    const before = await attempts();
    assert.ok(before > 0);
    await mesh.kill();
    await mesh.start();
    await settled(3);
    assert.equal(await attempts(), before);
    assert.equal(await orders?.envoy.serialOf(ID.orders), serial);
    await mesh.save(meshYaml(target, 'web, other'));
    await other?.callUntil(200, { host: 'orders' });
    await settled(3);
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('have refused nothing in all that', async () => {
    for (const sidecar of [web, other, orders]) {
      assert.equal(await sidecar?.envoy.stat(/update_rejected$/), 0);
    }
  });
});

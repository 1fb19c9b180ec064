import assert from 'node:assert/strict';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (target: number): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: [payments] }
      orders: { uses: [payments] }
      inventory: { uses: [payments] }
      payments:
        ports: [8080:${target}/http]
        allow:
          - { from: orders, to: [POST /charge, GET /charges/*, GET /admin/*] }
          - { from: web, to: GET /public/* }
        deny:
          - to: /admin/*
          - { from: web, to: /public/internal }
`;

const DENIED = /\.rbac\..*denied$/;

describe('a call is allowed and denied by who calls, with which method, on which path', function () {
  this.timeout(60_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let [web, orders, inventory, payments]: Sidecar[] = [];

  before(async () => {
    app = world.own(await httpApp('payments'));
    mesh = await world.mesh(meshYaml(app.port));
    [web, orders, inventory, payments] = await world.sidecars(
      mesh,
      'prod/web',
      'prod/orders',
      'prod/inventory',
      'prod/payments',
    );
    await orders.callUntil(200, { host: 'payments', method: 'POST', path: '/charge' });
    await web.callUntil(200, { host: 'payments', path: '/public/x' });
    await inventory.callUntil(403, { host: 'payments' });
  });

  const refused = async (caller: Sidecar | undefined, method: string, path: string): Promise<void> => {
    const [before, denied] = [app.requests.length, await payments?.envoy.stat(DENIED)];
    const answer = await caller?.call({ host: 'payments', method, path });
    assert.equal(answer?.status, 403, `${method} ${path}`);
    assert.equal(app.requests.length, before, `the app saw ${method} ${path}`);
    await eventually(async () => assert.ok(((await payments?.envoy.stat(DENIED)) ?? 0) > (denied ?? 0)));
  };
  const passed = async (caller: Sidecar | undefined, method: string, path: string): Promise<void> => {
    const answer = await caller?.call({ host: 'payments', method, path });
    assert.equal(answer?.status, 200, `${method} ${path}`);
    assert.equal(app.last().url, path);
  };

  it('lets a caller through that a rule names, and tells the app who it is', async () => {
    await passed(orders, 'POST', '/charge');
    assert.equal(app.last().headers['x-forwarded-client-cert'], 'URI=spiffe://shop.example/ns/prod/sa/orders');
    assert.ok(((await payments?.envoy.stat(/^listener\..*ssl\.handshake$/)) ?? 0) >= 2);
  });

  it('overwrites a forged x-forwarded-client-cert and removes x-envoy-* of callers', async () => {
    const forged = 'By=spiffe://shop.example/ns/prod/sa/payments;URI=spiffe://shop.example/ns/prod/sa/root';
    await orders?.call({
      host: 'payments',
      path: '/charges/1',
      headers: {
        'X-Forwarded-Client-Cert': [forged, forged],
        'x-envoy-internal': 'true',
        'x-envoy-original-path': '/charges/2',
        'X-Envoy-External-Address': '10.0.0.1',
        'x-custom': 'kept',
      },
    });
    const { headers } = app.last();
    assert.equal(headers['x-forwarded-client-cert'], 'URI=spiffe://shop.example/ns/prod/sa/orders');
    assert.deepEqual(
      Object.keys(headers).filter((name) => name.startsWith('x-envoy-')),
      [],
    );
    assert.equal(headers['x-custom'], 'kept');
  });

  it('denies a caller with a valid certificate that no rule names, before the app sees a byte', async () => {
    await refused(inventory, 'POST', '/charge');
    await refused(inventory, 'GET', '/public/x');
  });

  it('denies another method and another path than the rule allows', async () => {
    await refused(orders, 'GET', '/charge');
    await refused(orders, 'POST', '/charge/1');
    await refused(orders, 'POST', '/Charge');
    await refused(web, 'POST', '/public/x');
    await refused(web, 'GET', '/publicity');
    await passed(web, 'GET', '/public');
    await passed(web, 'GET', '/public/a/b?q=1');
  });

  it('lets a deny rule win over an allow rule, in any case and with a trailing slash', async () => {
    await refused(orders, 'GET', '/admin/users');
    await refused(orders, 'GET', '/admin');
    await refused(web, 'GET', '/public/internal');
    await refused(web, 'GET', '/public/internal/');
    await refused(web, 'GET', '/public/INTERNAL');
    await passed(web, 'GET', '/public/internals');
  });

  it('shows every type of every sidecar as acked', async () => {
    await eventually(async () => {
      const { sidecars } = await mesh.status();
      assert.equal(sidecars.length, 4);
      for (const { node, types, certificate } of sidecars) {
        assert.ok(certificate !== null, node);
        for (const type of ['cds', 'lds', 'rds', 'sds']) {
          const shown = types[type];
          assert.ok(shown?.sent !== null && shown?.sent !== undefined, `${node} ${type}`);
          assert.equal(shown.acked, shown.sent, `${node} ${type}`);
          assert.equal(shown.nacked, null, `${node} ${type}: ${shown.error}`);
        }
      }
    });
  });
});

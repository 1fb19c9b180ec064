import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { type HttpApp, httpApp, type TcpApp, tcpApp } from '../support/apps.ts';
import { eventually, untilMoment } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { converse } from '../support/tcp.ts';
import { useWorld } from '../support/world.ts';

type Moments = { readonly http?: number; readonly tcp?: number; readonly permissive?: number };

const FAR = Date.UTC(2099, 0, 1);
const iso = (moment: number | undefined): string => new Date(moment ?? FAR).toISOString();

const meshYaml = (http: number, tcp: number, until: Moments): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: { orders: null, "ledger:raw": 9001 } }
      orders:
        mtls: { mode: permissive, until: ${iso(until.permissive)}, then: strict }
        ports: [8080:${http}/http]
        allow:
          - { from: web, to: GET /always/* }
          - { from: web, to: GET /debug/*, until: ${iso(until.http)} }
          - { from: anyone, to: GET /open/* }
      ledger:
        ports: { raw: 9090:${tcp}/tcp }
        allow:
          - { from: web, to: { ports: [raw] }, until: ${iso(until.tcp)} }
`;

describe('what ends at a moment', function () {
  this.timeout(60_000);
  const world = useWorld();
  let app: HttpApp;
  let raw: TcpApp;
  let mesh: TestMesh;
  let [web, orders]: Sidecar[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  before(async () => {
    app = world.own(
      await httpApp('orders', async ({ url }, response) => {
        if (url.startsWith('/always/slow')) {
          response.write('first ');
          await new Promise((resolve) => setTimeout(resolve, 7_000));
        }
        response.end('done');
      }),
    );
    raw = world.own(await tcpApp());
    mesh = await world.mesh(meshYaml(app.port, raw.port, {}));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/ledger');
    await web.callUntil(200, { host: 'orders', path: '/debug/x' });
    await eventually(async () => assert.equal((await echo()).toString(), 'hello'));
  });
  after(() => agent.destroy());

  const echo = async (): Promise<Buffer> =>
    (await converse({ host: web?.address ?? '', port: 9001 }, 'hello', { enough: 5, timeout: 1_000 })).received;
  const plaintext = () => call({ host: orders?.address ?? '', port: 8080 }, { path: '/open/x', timeout: 3_000 });
  const debug = async (): Promise<number | undefined> =>
    (await web?.call({ host: 'orders', path: '/debug/x', agent }))?.status;

  it('a grant of TCP: the next connection is refused, without a save', async () => {
    const end = Date.now() + 4_000;
    await mesh.save(meshYaml(app.port, raw.port, { tcp: end }));
    while (Date.now() < end - 1_000) {
      assert.equal((await echo()).toString(), 'hello', 'the grant is not over yet');
      await untilMoment(Math.min(Date.now() + 300, end));
    }
    await untilMoment(end);
    await eventually(async () => assert.equal((await echo()).length, 0), 3_000);
    const connections = raw.connections();
    assert.equal((await echo()).length, 0);
    assert.equal(raw.connections(), connections);
  });

  it('permissive: from its `until` on plaintext is refused without a save, and no mTLS call fails', async () => {
    const end = Date.now() + 4_000;
    await mesh.save(meshYaml(app.port, raw.port, { permissive: end }));
    const load = world.load(web, { host: 'orders', path: '/always/x' });
    while (Date.now() < end - 1_000) {
      assert.equal((await plaintext()).status, 200);
      await untilMoment(Math.min(Date.now() + 300, end));
    }
    // Longer than the drain time and across the deadline.
    const slow = web?.call({ host: 'orders', path: '/always/slow', timeout: 20_000 });
    await untilMoment(end);
    await eventually(() => assert.rejects(plaintext()), 3_000);
    assert.equal((await slow)?.body, 'first done');
    const { failures, ok } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 100);
  });

  it('a grant of HTTP: inside Envoy, on a live connection, while the control plane is dead', async () => {
    const end = Date.now() + 5_000;
    await web?.callUntil(200, { host: 'orders', path: '/debug/x', agent });
    await mesh.save(meshYaml(app.port, raw.port, { http: end }));
    await eventually(async () => assert.ok((await orders?.envoy.routes())?.includes(iso(end))), 3_000);
    await mesh.kill();
    assert.equal(await debug(), 200);
    await untilMoment(end - 700);
    assert.equal(await debug(), 200);
    await untilMoment(end + 100);
    assert.equal(await debug(), 403);
    assert.equal((await web?.call({ host: 'orders', path: '/always/x', agent }))?.status, 200);
    await mesh.start();
    assert.equal(await debug(), 403);
  });
});

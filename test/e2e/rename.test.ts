import assert from 'node:assert/strict';
import { openAds } from '../support/adsClient.ts';
import { type HttpApp, httpApp, tcpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { Load } from '../support/load.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { converse } from '../support/tcp.ts';
import { tlsCall } from '../support/tlsCall.ts';
import { type MemberCertificate, takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

type Names = { readonly trustDomain: string; readonly aliases: readonly string[] };

const meshYaml = (http: number, tcp: number, { trustDomain, aliases }: Names): string => `
mesh:
  trustDomain: ${trustDomain}
  trustDomainAliases: [${aliases.join(', ')}]
namespaces:
  prod:
    services:
      web: { uses: { orders: null, "orders:ledger": 9002 } }
      debug: {}
      orders:
        ports: { http: 8080:${http}/http, ledger: 9090:${tcp}/tcp }
        allow:
          - web
          - { from: spiffe://old.example/ns/prod/sa/debug, to: GET /debug }
        deny: [{ from: debug, to: /denied }]
`;

const id = (domain: string, name: string): string => `spiffe://${domain}/ns/prod/sa/${name}`;

describe('a mesh is renamed under load', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let app: HttpApp;
  let ports: readonly [number, number];
  let load: Load;
  let debug: MemberCertificate;
  let [web, orders]: Sidecar[] = [];

  before(async () => {
    app = world.own(await httpApp('orders'));
    ports = [app.port, world.own(await tcpApp()).port];
    mesh = await world.mesh(meshYaml(...ports, { trustDomain: 'old.example', aliases: [] }));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
    debug = await takeCertificate(mesh, 'prod/debug', id('old.example', 'debug'));
    load = world.load(web, { host: 'orders' });
  });

  const made = async (more: number): Promise<void> => {
    const from = load.totals().ok;
    await eventually(() => assert.ok(load.totals().ok >= from + more), 30_000);
  };
  const save = (names: Names): Promise<void> => mesh.save(meshYaml(...ports, names));
  /** Everybody has what was saved last, and is issued certificates of this trust domain. */
  const settled = async (domain: string): Promise<void> => {
    await eventually(async () => {
      const { code, stdout } = await mesh.ask('check', '--wait');
      assert.equal(code, 0, stdout);
      assert.match(stdout, new RegExp(`CHK0504 every certificate is of ${domain}`));
    }, 40_000);
    await eventually(async () => {
      for (const [sidecar, name] of [[web, 'web'] as const, [orders, 'orders'] as const])
        assert.ok(await sidecar?.envoy.serialOf(id(domain, name)), `${name} holds no certificate of ${domain}`);
    });
  };
  const byHand = (path: string): Promise<number> =>
    tlsCall({ host: orders?.address ?? '', port: 8080 }, debug, { path }).then(
      ({ status }) => status,
      () => 0,
    );
  const ledger = async (): Promise<string> => {
    const at = { host: web?.address ?? '', port: 9002 };
    return (await converse(at, 'hello', { enough: 5 })).received.toString();
  };

  it('never in one step: the new name is an alias first', async () => {
    await save({ trustDomain: 'new.example', aliases: ['old.example'] });
    await eventually(async () => {
      const { code, stdout } = await mesh.ask('check');
      assert.match(stdout, /× CHK0201 .*first add new\.example to mesh\.trustDomainAliases/);
      assert.equal(code, 1);
    });
    await made(50);
    assert.ok(await web?.envoy.serialOf(id('old.example', 'web')));
  });

  it('then both names are known to everybody, and nothing else changes', async () => {
    const serial = await orders?.envoy.serialOf(id('old.example', 'orders'));
    await save({ trustDomain: 'old.example', aliases: ['new.example'] });
    await settled('old.example');
    assert.equal(await orders?.envoy.serialOf(id('old.example', 'orders')), serial);
    assert.deepEqual([await byHand('/debug'), await byHand('/denied')], [200, 403]);
    assert.equal(await ledger(), 'hello');
    await made(100);
  });

  it('then every certificate is of the new name, and the old one counts, in allow and in deny', async () => {
    await save({ trustDomain: 'new.example', aliases: ['old.example'] });
    await settled('new.example');
    await made(100);
    await eventually(() => {
      const { headers } = app.last();
      assert.equal(headers['x-forwarded-client-cert'], `URI=${id('new.example', 'web')}`);
    });
    assert.deepEqual([await byHand('/debug'), await byHand('/denied'), await byHand('/other')], [200, 403, 403]);
    assert.equal(await ledger(), 'hello');
    assert.match((await mesh.signet('ca', 'status')).stdout, /^trust domain new\.example\nalso called old\.example\n/);
    assert.match((await mesh.signet('can', id('old.example', 'web'), 'prod/orders:http', 'GET', '/')).stdout, /^ALLOW/);
  });

  it('and after kill -9 those who were started under the old name come back', async () => {
    await mesh.kill();
    await made(100);
    await mesh.start();
    await eventually(async () => assert.equal((await mesh.status()).sidecars.length, 2), 30_000);
    await settled('new.example');
    await made(100);
  });

  it('a certificate of the old name still stands for its join', async () => {
    const address = mesh.xds;
    const { anchorPem } = debug;
    const serverId = 'spiffe://old.example/signet/control-plane';
    const nodeId = 'prod/debug/taker';
    const client = openAds({ address, anchorPem, serverId, nodeId, certificate: debug });
    try {
      client.ask('type.googleapis.com/envoy.config.cluster.v3.Cluster');
      assert.equal((await client.next()).type, 'type.googleapis.com/envoy.config.cluster.v3.Cluster');
    } finally {
      client.close();
    }
  });

  it('in the end the old name is nobody’s, and no request has failed', async () => {
    await save({ trustDomain: 'new.example', aliases: [] });
    await settled('new.example');
    await eventually(async () => assert.equal(await byHand('/debug'), 0));
    const late = await world.sidecar(mesh, 'prod/web');
    await late.callUntil(200, { host: 'orders' });
    await mesh.kill();
    await mesh.start();
    await eventually(async () => assert.equal((await mesh.status()).sidecars.length, 3), 30_000);
    await made(100);
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 700, `only ${ok} calls were made`);
    console.log(`      ${ok} requests, 0 failed`);
  });
});

import assert from 'node:assert/strict';
import { connect as tlsConnect } from 'node:tls';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { call } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { testAuthority } from '../support/testAuthority.ts';
import { takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (target: number): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: ["orders:strict", "orders:open", "orders:plain"] }
      debug: { uses: ["orders:open"] }
      orders:
        ports:
          strict: 8080:${target}/http
          open:
            port: 8081
            target: 127.0.0.1:${target}
            protocol: http
            mtls: { mode: permissive, until: 2099-01-01T00:00:00Z, then: strict }
          plain: { port: 8082, target: "127.0.0.1:${target}", protocol: http, mtls: disable }
        allow:
          - { from: anyone, to: { ports: [strict, open, plain] } }
        deny:
          - { from: debug, to: { ports: [open], paths: [/secret/*] } }
`;

const WEB = 'spiffe://shop.example/ns/prod/sa/web';

describe('plaintext', function () {
  this.timeout(60_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let [web, debug, orders]: Sidecar[] = [];
  const at = (port: number) => ({ host: orders?.address ?? '', port });

  before(async () => {
    app = world.own(await httpApp('orders'));
    mesh = await world.mesh(meshYaml(app.port));
    [web, debug, orders] = await world.sidecars(mesh, 'prod/web', 'prod/debug', 'prod/orders');
    for (const port of [8080, 8081, 8082]) await web.callUntil(200, { host: `orders:${port}` });
    await debug.callUntil(403, { host: 'orders:8081', path: '/secret/x' });
  });

  it('is refused by a strict port, whatever the rules allow, and the app sees nothing', async () => {
    const before = app.requests.length;
    await assert.rejects(call(at(8080), { path: '/' }));
    assert.equal(app.requests.length, before);
  });

  it('is accepted by a permissive port, without a caller in x-forwarded-client-cert', async () => {
    const forged = { 'x-forwarded-client-cert': `URI=${WEB}` };
    const answer = await call(at(8081), { path: '/hello', headers: forged });
    assert.equal(answer.status, 200);
    assert.equal(app.last().url, '/hello');
    assert.equal('x-forwarded-client-cert' in app.last().headers, false);
  });

  it('is not what sidecars use on a permissive port', async () => {
    await web?.call({ host: 'orders:8081', path: '/hello' });
    assert.equal(app.last().headers['x-forwarded-client-cert'], `URI=${WEB}`);
  });

  it('is refused on a permissive port where a rule denies an identity, for it could be that one', async () => {
    const before = app.requests.length;
    assert.equal((await call(at(8081), { path: '/secret/x' })).status, 403);
    assert.equal((await debug?.call({ host: 'orders:8081', path: '/secret/x' }))?.status, 403);
    assert.equal(app.requests.length, before);
    assert.equal((await web?.call({ host: 'orders:8081', path: '/secret/x' }))?.status, 200);
  });

  it('is what a port with mtls: disable speaks, to sidecars and to everybody', async () => {
    const handshakes = await orders?.envoy.stat(/^listener\..*ssl\.handshake$/);
    const forged = { 'x-forwarded-client-cert': `URI=${WEB}` };
    assert.equal((await web?.call({ host: 'orders:8082', headers: forged }))?.status, 200);
    assert.equal('x-forwarded-client-cert' in app.last().headers, false);
    assert.equal((await call(at(8082), { headers: forged })).status, 200);
    assert.equal('x-forwarded-client-cert' in app.last().headers, false);
    assert.equal(await orders?.envoy.stat(/^listener\..*ssl\.handshake$/), handshakes);
  });

  describe('and TLS that proves nothing', () => {
    type Shown = { readonly chainPem: string; readonly keyPem: string };
    /** One request over TLS 1.3 (or less) with this certificate: the status line, or how it was refused. */
    const overTls = (shown: Shown | undefined, version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<string> =>
      new Promise((resolve) => {
        const socket = tlsConnect({
          ...at(8080),
          rejectUnauthorized: false,
          minVersion: version,
          maxVersion: version,
          ...(shown === undefined ? {} : { cert: shown.chainPem, key: shown.keyPem }),
        });
        let text = '';
        socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n\r\n'));
        socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
        socket.on('error', () => socket.destroy());
        socket.on('close', () => resolve(text === '' ? 'refused' : (text.split('\r\n', 1)[0] ?? '')));
      });

    it('is refused: no certificate, another authority, an old version; the real one is let in', async () => {
      const forged = testAuthority().leaf(WEB);
      const real = await takeCertificate(mesh, 'prod/web', WEB);
      const before = app.requests.length;
      assert.equal(await overTls(undefined), 'refused');
      assert.equal(await overTls(forged), 'refused');
      assert.equal(await overTls(real, 'TLSv1.2'), 'refused');
      assert.equal(app.requests.length, before);
      assert.equal(await overTls(real), 'HTTP/1.1 200 OK');
      assert.equal(app.last().headers['x-forwarded-client-cert'], `URI=${WEB}`);
    });
  });
});

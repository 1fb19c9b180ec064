import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { type HttpApp, httpApp, tcpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { type TestAuthority, testAuthority } from '../support/testAuthority.ts';
import { type Shown, tlsCall, tlsSay } from '../support/tlsCall.ts';
import { takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (http: number, tcp: number, bundle: string | undefined, impostor: string): string => `
mesh:
  trustDomain: shop.example
  trust: [${bundle === undefined ? '' : `{ trustDomain: partner.example, bundle: { file: ${bundle} } }`}]
namespaces:
  prod:
    services:
      web: { uses: [orders:http, fake] }
      orders:
        ports: { http: 8080:${http}/http, ledger: 9090:${tcp}/tcp }
        allow:
          - web
          - { from: spiffe://partner.example/billing, to: [POST /invoices, GET /admin/x, GET /internal] }
          - { from: spiffe://partner.example/billing, to: { ports: [ledger] } }
          - { from: { trustDomains: partner.example }, to: GET /catalogue }
          - { from: spiffe://third.example/clerk, to: GET /third }
          - { from: "*", to: GET /mesh-only }
          - { from: { not: { principals: web } }, to: GET /not-web }
        deny:
          - { from: { trustDomains: partner.example }, to: /admin/* }
          - { from: { not: { namespaces: prod } }, to: /internal }
      fake:
        ports: [8443/http]
        endpoints: [{ address: ${impostor} }]
        allow: [web]
`;

const WEB = 'spiffe://shop.example/ns/prod/sa/web';
const BILLING = 'spiffe://partner.example/billing';

describe('another trust domain that is trusted', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let app: HttpApp;
  let ports: readonly [number, number];
  let partner: TestAuthority;
  let [web, orders]: Sidecar[] = [];

  const save = (bundle: string | undefined): Promise<void> => mesh.save(meshYaml(...ports, bundle, world.address(70)));
  const put = (file: string, text: string): Promise<void> => writeFile(join(mesh.folder, file), text);

  before(async () => {
    partner = testAuthority();
    app = world.own(await httpApp('orders'));
    ports = [app.port, world.own(await tcpApp()).port];
    mesh = await world.mesh(meshYaml(...ports, undefined, world.address(70)));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  /** 0: the handshake fails. */
  const status = (shown: Shown, request: string): Promise<number> => {
    const [method = '', path = ''] = request.split(' ');
    return tlsCall({ host: orders?.address ?? '', port: 8080 }, shown, { method, path }).then(
      (answer) => answer.status,
      () => 0,
    );
  };
  const statuses = (shown: Shown, ...requests: readonly string[]): Promise<readonly number[]> =>
    Promise.all(requests.map((request) => status(shown, request)));
  const ledger = (shown: Shown): Promise<string | undefined> =>
    tlsSay({ host: orders?.address ?? '', port: 9090 }, shown, 'hello');
  const can = async (from: string, request: string): Promise<boolean> =>
    (await mesh.ask('can', from, 'prod/orders:http', ...request.split(' '))).code === 0;

  const EVERY = ['POST /invoices', 'GET /catalogue', 'GET /admin/x', 'GET /internal', 'GET /mesh-only', 'GET /not-web'];

  it('is nobody before it is named, and rules for it are told to be for nobody', async () => {
    assert.equal(await status(partner.leaf(BILLING), 'POST /invoices'), 0);
    const { stderr } = await mesh.signet('validate', mesh.file);
    assert.match(stderr, /SIG0512 warning: nobody can prove an identity of partner\.example here/);
  });

  it('may then do what rules say of it, is denied by its name, and is no identity of this mesh', async () => {
    await put('partner.pem', partner.anchorPem);
    await save('partner.pem');
    const billing = partner.leaf(BILLING);
    await eventually(async () => assert.equal(await status(billing, 'POST /invoices'), 200));
    const { headers } = app.last();
    assert.equal(headers['x-forwarded-client-cert'], `URI=${BILLING}`);
    assert.deepEqual(await statuses(billing, ...EVERY), [200, 200, 403, 403, 403, 403]);
    assert.deepEqual(await statuses(partner.leaf('spiffe://partner.example/other'), ...EVERY.slice(0, 2)), [403, 200]);
    for (const request of EVERY) assert.equal(await can(BILLING, request), (await status(billing, request)) === 200);
    assert.equal(await ledger(billing), 'hello');
    assert.equal(await ledger(partner.leaf('spiffe://partner.example/other')), undefined);
    assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
  });

  it('speaks for nobody else: not for this mesh, and others not for it', async () => {
    const names = [WEB, 'spiffe://third.example/clerk', 'spiffe://partner.example', 'https://partner.example/billing'];
    for (const name of names) assert.equal(await status(partner.leaf(name), 'GET /catalogue'), 0, name);
    assert.equal(await ledger(partner.leaf(WEB)), undefined);
    assert.equal(await status(testAuthority().leaf(BILLING), 'POST /invoices'), 0);
  });

  it('cannot put a name of this mesh, or of a third domain, behind one of its own', async () => {
    const two = partner.leaf('spiffe://partner.example/x', WEB);
    assert.deepEqual(await statuses(two, 'GET /', 'GET /mesh-only', 'GET /catalogue'), [403, 403, 403]);
    assert.equal(await ledger(two), undefined);
    assert.equal(await status(partner.leaf(BILLING, 'spiffe://third.example/clerk'), 'GET /third'), 403);
    assert.equal(await status(partner.leaf(BILLING, 'spiffe://partner.example/other'), 'GET /catalogue'), 403);
    const forged = `spiffe://partner.example/x;URI=${WEB}`;
    assert.equal(await status(partner.leaf(forged), 'GET /catalogue'), 403);
    assert.ok(!app.requests.some(({ headers }) => String(headers['x-forwarded-client-cert']).includes(`;URI=`)));
  });

  it('is no server of this mesh, whatever its certificate says', async () => {
    const { chainPem: cert, keyPem: key } = partner.leaf(BILLING, 'spiffe://shop.example/ns/prod/sa/fake');
    const paths: string[] = [];
    const server = createServer({ cert, key, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      paths.push(request.url ?? '');
      response.end('got it');
    });
    await new Promise<void>((resolve) => server.listen(8443, world.address(70), resolve));
    try {
      await web?.callUntil(503, { host: 'fake', path: '/secret' });
      assert.ok(((await web?.envoy.stat(/^cluster\.prod\/fake\/8443\.ssl\.fail_verify_error$/)) ?? 0) > 0);
      assert.deepEqual(paths, []);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });

  it('gets a new root by a new file, while a bad or missing one changes nothing and is told', async () => {
    const billing = partner.leaf(BILLING);
    await put('partner.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const told = async (words: RegExp): Promise<void> =>
      eventually(async () => assert.match((await mesh.ask('check')).stdout, words), 10_000);
    await told(
      /× CHK0201 .*mesh\.yaml:4:\d+ SIG0308 partner\.pem holds a certificate \(number 1\) that cannot be read/,
    );
    assert.equal(await status(billing, 'POST /invoices'), 200);
    await save('gone.pem');
    await told(/× CHK0201 .*SIG0307 gone\.pem does not exist/);
    await mesh.kill();
    await mesh.start();
    await eventually(async () => assert.equal((await mesh.status()).sidecars.length, 2), 30_000);
    assert.equal(await status(billing, 'POST /invoices'), 200);
    const next = testAuthority();
    await put('gone.pem', next.anchorPem);
    await eventually(async () => assert.equal(await status(next.leaf(BILLING), 'POST /invoices'), 200), 15_000);
    assert.equal(await status(billing, 'POST /invoices'), 0);
    await told(/√ CHK0201/);
    assert.match((await mesh.signet('ca', 'status')).stdout, /\ntrusts partner\.example: 1 in gone\.pem, until 2/);
  });

  it('may be another Signet, which hands out its bundle', async () => {
    const other = await world.mesh('mesh: { trustDomain: partner.example }\nservices: { billing: {} }\n');
    const { code, stdout } = await other.signet('ca', 'bundle', '--format', 'spiffe');
    assert.equal(code, 0);
    const id = 'spiffe://partner.example/ns/default/sa/billing';
    const certificate = await takeCertificate(other, 'default/billing', id);
    assert.equal(await status(certificate, 'GET /catalogue'), 0);
    await put('gone.pem', stdout);
    await eventually(async () => assert.equal(await status(certificate, 'GET /catalogue'), 200), 15_000);
    assert.equal(app.last().headers['x-forwarded-client-cert'], `URI=${id}`);
  });

  it('is trusted no more when its entry goes', async () => {
    const billing = testAuthority();
    await put('gone.pem', billing.anchorPem);
    await eventually(async () => assert.equal(await status(billing.leaf(BILLING), 'POST /invoices'), 200), 15_000);
    await save(undefined);
    await eventually(async () => assert.equal(await status(billing.leaf(BILLING), 'POST /invoices'), 0));
    assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
  });
});

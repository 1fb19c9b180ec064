import assert from 'node:assert/strict';
import { request } from 'node:http';
import { createMetrics } from '../../../src/admin/metrics.ts';
import { type AdminServer, startAdminServer } from '../../../src/admin/server.ts';
import type { CertificateFacts, SlotFacts } from '../../../src/ca/authority.ts';
import { secret } from '../../../src/lib/secret.ts';
import type { TrustDomain } from '../../../src/spiffe/spiffeId.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { TestControl } from '../../support/controlPlane.ts';

const MESH = `mesh:
  trustDomain: shop.example
namespaces:
  prod:
    services:
      web:
        ports: [8080:3000/http]
      orders:
        ports: [8080:3001/http]
        allow: [web]
`;
const FACTS: CertificateFacts = {
  subject: 'CN=x',
  serial: '01',
  notBefore: 0,
  notAfter: 4_000_000_000_000,
  fingerprint: 'ab',
};
const SLOT: SlotFacts = { ...FACTS, kind: 'root', state: 'old', since: 1_000, root: '01' };
const TD = 'shop.example' as TrustDomain;

type Answer = { readonly status: number; readonly text: string; readonly json: <T = Record<string, unknown>>() => T };

describe('admin API', () => {
  let test: TestControl;
  let server: AdminServer;
  const store = memoryStore();
  const errors: unknown[] = [];

  before(async () => {
    test = await TestControl.start(MESH, store);
    const { control } = test;
    const metrics = createMetrics();
    metrics.watch(control, () => FACTS.notAfter);
    metrics.observer.pushed('cds', 'acked');
    metrics.observer.converged(120);
    metrics.observer.refused('unauthenticated');
    metrics.dropped('unread');
    metrics.watchDoor(() => 3);
    metrics.issued();
    server = await startAdminServer({
      listen: { host: '127.0.0.1', port: 0 },
      token: secret('right'),
      control,
      ca: {
        describe: () => ({ trustDomain: TD, generation: 3, root: FACTS, intermediate: FACTS, slots: [SLOT] }),
        describeChannel: () => FACTS,
        channelSlots: () => [{ ...SLOT, kind: 'channel', since: 0 }],
        bundle: () => ({ trustDomain: TD, authorities: ['PEM'] }),
      },
      registry: metrics.registry,
      onError: (error) => errors.push(error),
    });
  });
  after(async () => {
    await server.close();
    await test.close();
  });

  const ask = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { port } = server.address();
      const asked = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
        let text = '';
        response.on('data', (part) => {
          text += String(part);
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, json: () => JSON.parse(text) }));
      });
      asked.on('error', reject);
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  const bearer = { authorization: 'Bearer right', 'content-type': 'application/json' };
  const api = (method: string, path: string, body?: unknown) =>
    ask(method, `/api/v1/${path}`, body === undefined ? { authorization: bearer.authorization } : bearer, body);

  it('answers health to everybody', async () => {
    for (const path of ['/livez', '/readyz']) assert.equal((await ask('GET', path)).status, 200, path);
  });

  it('is not ready while the store takes no writes, and ready again when it does', async () => {
    const readyz = async (): Promise<number> => (await ask('GET', '/readyz')).status;
    assert.equal(await readyz(), 200);
    store.broken = true;
    assert.equal(await readyz(), 200, 'asked less than 5 s ago');
    await test.clock.advance(5_000);
    assert.equal(await readyz(), 503);
    assert.equal((await ask('GET', '/livez')).status, 200);
    store.broken = false;
    await test.clock.advance(5_000);
    assert.equal(await readyz(), 200);
  });

  it('answers nothing of the API without the admin token', async () => {
    const paths = ['status', 'check', 'mesh', 'xds', 'tokens', 'ca', 'ca/bundle', 'openapi.json', 'nothing'];
    for (const headers of [
      {},
      { authorization: 'Bearer wrong' },
      { authorization: 'right' },
      { authorization: 'Bearer right ' + 'x' },
    ]) {
      for (const path of paths) {
        const answer = await ask('GET', `/api/v1/${path}`, headers);
        assert.deepEqual(
          [answer.status, answer.json()],
          [401, { error: { code: 'unauthorized', message: 'the admin token is missing or wrong' } }],
          path,
        );
      }
    }
  });

  it('answers nothing without the admin token, however the path is spelled', async () => {
    for (const path of [
      '/%61pi/v1/status',
      '/api/v1/%73tatus',
      '/%61%70%69/v1/tokens',
      '//api/v1/status',
      '/api%2fv1/status',
    ]) {
      assert.equal((await ask('GET', path)).status, 401, path);
    }
    const made = await ask('POST', '/%61pi/v1/tokens', { 'content-type': 'application/json' }, { service: 'prod/web' });
    assert.equal(made.status, 401);
    assert.equal((await ask('GET', '/metrics')).status, 200);
  });

  it('knows itself by loopback names only, whatever token comes along', async () => {
    for (const host of [
      'signet.attacker.example',
      'attacker.example:18001',
      '10.0.0.1',
      '127.0.0.1.attacker.example',
    ]) {
      assert.equal((await ask('GET', '/api/v1/status', { ...bearer, host })).status, 421, host);
      assert.equal((await ask('GET', '/livez', { host })).status, 421, host);
    }
    for (const host of ['localhost:1', '127.0.0.1', '[::1]:1', 'LOCALHOST']) {
      assert.equal((await ask('GET', '/api/v1/status', { ...bearer, host })).status, 200, host);
    }
  });

  it('shows status, health and mesh', async () => {
    assert.deepEqual((await api('GET', 'status')).json().sidecars, []);
    const mesh = (await api('GET', 'mesh')).json();
    const { healthy, findings } = (await api('GET', 'check')).json<{
      healthy: boolean;
      findings: { code: string }[];
    }>();
    assert.deepEqual([healthy, findings[0]?.code], [true, 'CHK0101']);
    assert.deepEqual(
      [mesh.trustDomain, mesh.services, mesh.problem],
      ['shop.example', ['prod/orders', 'prod/web'], null],
    );
  });

  it('makes, lists and revokes tokens, and shows each once', async () => {
    const made = await api('POST', 'tokens', { service: 'prod/web', ttl: '15m', uses: 3 });
    assert.equal(made.status, 201);
    const { id, token, uses } = made.json<{ id: string; token: string; uses: number }>();
    assert.equal(uses, 3);
    const list = await api('GET', 'tokens');
    assert.ok(!list.text.includes(token));
    assert.ok(list.text.includes(id));
    assert.equal((await api('DELETE', `tokens/${id}`)).status, 204);
    assert.equal((await api('DELETE', 'tokens/0000000000000000')).status, 404);
    assert.equal((await api('DELETE', 'tokens/web')).status, 400);
  });

  it('makes bootstraps', async () => {
    const made = await api('POST', 'bootstraps', {
      service: 'prod/web',
      address: '127.0.1.2',
      outbound: '127.0.1.2:15001',
    });
    assert.equal(made.status, 201);
    const { node, bootstrap, command } = made.json<{
      node: string;
      bootstrap: { node: { id: string } };
      command: string;
    }>();
    assert.equal(bootstrap.node.id, node);
    assert.equal(command, 'envoy -c F --disable-hot-restart --drain-time-s 5 --drain-strategy immediate');
    assert.match(JSON.stringify(bootstrap), /"Bearer signet_[0-9a-f]{16}_/);
  });

  it('answers whether a call would be allowed', async () => {
    const allowed = await api('POST', 'can', { from: 'prod/web', to: 'prod/orders', method: 'GET', path: '/' });
    assert.equal(allowed.json().verdict, 'ALLOW');
    const denied = await api('POST', 'can', { from: 'prod/orders', to: 'prod/web', method: 'GET', path: '/' });
    assert.equal(denied.json().verdict, 'DENY');
  });

  const wrong: readonly (readonly [string, string, unknown, number, RegExp])[] = [
    ['POST', 'tokens', { service: 'prod/web', ttl: 'soon' }, 400, /ttl: must be a duration/],
    ['POST', 'tokens', { service: 'prod/web', uses: 0 }, 400, /uses/],
    ['POST', 'tokens', { service: 'prod/web', more: 1 }, 400, /more/],
    ['POST', 'tokens', {}, 400, /service/],
    ['POST', 'tokens', { service: 'prod/wbe' }, 404, /no service prod\/wbe; did you mean prod\/web\?/],
    ['POST', 'bootstraps', { service: 'prod/wbe' }, 404, /did you mean/],
    ['POST', 'bootstraps', { service: 'prod/web', address: '0.0.0.0' }, 400, /0\.0\.0\.0/],
    ['POST', 'bootstraps', { service: 'prod/web', outbound: 'web:1' }, 400, /outbound: must be IP:PORT/],
    ['POST', 'bootstraps', { service: 'prod/web', envoyAdmin: { pipe: 'x' } }, 400, /absolute path/],
    ['POST', 'can', { from: 'prod/web', to: 'prod/nobody' }, 400, /no service prod\/nobody/],
    ['POST', 'ca/renew', { service: 'prod/nobody' }, 404, /no service prod\/nobody/],
    ['GET', 'nothing', undefined, 404, /nothing here/],
  ];
  for (const [method, path, body, status, sentence] of wrong) {
    it(`${method} ${path} ${JSON.stringify(body)} is ${status}`, async () => {
      const answer = await api(method, path, body);
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.json<{ error: { message: string } }>().error.message, sentence);
      assert.deepEqual(errors, []);
    });
  }

  it('takes JSON only, and not without end', async () => {
    assert.equal((await ask('POST', '/api/v1/tokens', { ...bearer, 'content-type': 'text/plain' }, {})).status, 400);
    assert.equal((await api('POST', 'tokens', { service: 'x'.repeat(300_000) })).status, 413);
  });

  it('shows the authorities', async () => {
    const ca = (await api('GET', 'ca')).json();
    assert.equal(ca.trustDomain, 'shop.example');
    const facts = { subject: 'CN=x', serial: '01', fingerprint: 'ab', notBefore: '1970-01-01T00:00:00.000Z' };
    const dated = { ...facts, notAfter: new Date(FACTS.notAfter).toISOString() };
    assert.deepEqual([ca.root, ca.intermediate, ca.channel, ca.generation], [dated, dated, dated, 3]);
    assert.deepEqual(ca.slots, [
      { ...dated, kind: 'root', state: 'old', since: '1970-01-01T00:00:01.000Z', root: '01' },
      { ...dated, kind: 'channel', state: 'old', since: null, root: '01' },
    ]);
    assert.deepEqual((await api('GET', 'ca/bundle')).json(), { trustDomain: 'shop.example', authorities: ['PEM'] });
  });

  it('describes itself', async () => {
    const { paths } = (await api('GET', 'openapi.json')).json<{ paths: object }>();
    for (const path of ['status', 'check', 'xds', 'tokens', 'bootstraps', 'can', 'ca/renew'])
      assert.ok(`/api/v1/${path}` in paths, path);
  });

  it('counts under the names that dashboards know', async () => {
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    assert.equal(typeof web, 'string');
    const { text } = await ask('GET', '/metrics');
    const lines = [
      'signet_xds_streams 1',
      'signet_xds_pushes_total{type="cds",outcome="acked"} 1',
      'signet_xds_refused_total{code="unauthenticated"} 1',
      'signet_xds_connections_dropped_total{reason="unread"} 1',
      'signet_xds_unproven_connections 3',
      'signet_convergence_seconds_count 1',
      'signet_certificates_issued_total 1',
      `signet_certificate_expiry_timestamp_seconds{identity="spiffe://shop.example/ns/prod/sa/web"} ${(test.clock.now() + 86_400_000) / 1000}`,
      'signet_root_expiry_timestamp_seconds 4000000000',
    ];
    for (const line of lines) assert.ok(text.includes(`\n${line}\n`), `${line}\n${text.slice(-2000)}`);
  });
});

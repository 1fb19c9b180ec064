import assert from 'node:assert/strict';
import { decide } from '../../../src/decide/decide.ts';
import { listAllowed } from '../../../src/decide/listAllowed.ts';
import { findCaller, findPort } from '../../../src/decide/reference.ts';
import type { Verdict } from '../../../src/decide/verdict.ts';
import type { Mesh } from '../../../src/model/mesh.ts';
import { meshOf, prod } from '../config/load.ts';

const NOW = Date.parse('2027-01-01T00:00:00Z');

type Question = { readonly at?: number; readonly plaintext?: boolean };

/** Asks as a user would: `web api GET /a`. A word `?` is not known. */
const ask = (mesh: Mesh, question: string, { at = NOW, plaintext = false }: Question = {}): Verdict => {
  const [from = '', to = '', method, path] = question.split(' ');
  const caller = findCaller(mesh, from);
  assert.ok(caller.ok, caller.ok ? '' : caller.error);
  const target = findPort(mesh, to, caller.value);
  assert.ok(target.ok, target.ok ? '' : target.error);
  const known = (word: string | undefined): string | undefined => (word === '?' ? undefined : word);
  return decide(mesh, at, {
    from: caller.value,
    plaintext,
    ...target.value,
    request: { method: known(method), path: known(path) },
  });
};

const allows = (mesh: Mesh, ...questions: readonly string[]): void => {
  for (const question of questions) {
    const { allow, reason } = ask(mesh, question);
    assert.ok(allow, `${question}: ${reason}`);
  }
};

const denies = (mesh: Mesh, ...questions: readonly string[]): void => {
  for (const question of questions) assert.ok(!ask(mesh, question).allow, question);
};

const WHO = 'web: {}\norders: {}\ndebug: {}\n';
const api = (rules: string, mesh = ''): Mesh =>
  meshOf(prod(`${WHO}api:\n  ports: { http: 8080/http, db: 9090/tcp }\n${rules}`, mesh));

describe('decide: who', () => {
  it('admits the identity that a rule names, and nobody else', () => {
    const mesh = api('  allow: [web]');
    allows(mesh, 'web api GET /', 'spiffe://shop.example/ns/prod/sa/web api GET /', 'web api:db');
    denies(
      mesh,
      'orders api GET /',
      'anyone api GET /',
      'spiffe://shop.example/ns/prod/sa/webx api GET /',
      'spiffe://shop.example/ns/prod2/sa/web api GET /',
    );
  });
  it('takes "*" for this mesh alone', () => {
    const mesh = api('  allow: ["*"]');
    allows(mesh, 'web api GET /', 'spiffe://shop.example/ns/gone/sa/x api GET /');
    denies(
      mesh,
      'anyone api GET /',
      'spiffe://shop.example.evil/ns/prod/sa/web api GET /',
      'spiffe://other.example/ns/prod/sa/web api GET /',
    );
  });
  it('never admits another trust domain, whatever is written: its certificates are not trusted', () => {
    denies(api('  allow: [spiffe://other.example/ns/a/sa/b]'), 'spiffe://other.example/ns/a/sa/b api GET /');
  });
  it('excepts by not', () => {
    const mesh = api('  allow: [{ from: { namespaces: [prod], not: { principals: [debug] } } }]');
    allows(mesh, 'web api GET /');
    denies(mesh, 'debug api GET /', 'anyone api GET /');
  });
  it('lets deny go before allow', () => {
    const mesh = api('  allow: [prod/*]\n  deny: [debug]');
    allows(mesh, 'web api GET /');
    denies(mesh, 'debug api GET /', 'debug api:db');
    assert.match(ask(mesh, 'debug api GET /').reason, /denied by mesh\.yaml:/);
  });
});

describe('decide: mTLS', () => {
  it('refuses plaintext on strict and names the line', () => {
    const mesh = api('  mtls: strict\n  allow: [{ from: anyone }]');
    const verdict = ask(mesh, 'anyone api GET /');
    assert.equal(verdict.allow, false);
    assert.equal(verdict.location?.line, 11);
    assert.equal(ask(mesh, 'web api GET /', { plaintext: true }).allow, false);
    allows(mesh, 'web api GET /');
  });
  it('takes plaintext on permissive until its end', () => {
    const mesh = api('  mtls: { mode: permissive, until: 2027-06-30T00:00:00Z }\n  allow: [{ from: anyone }]');
    allows(mesh, 'anyone api GET /');
    assert.equal(ask(mesh, 'anyone api GET /', { at: Date.parse('2027-06-30T00:00:00Z') - 1 }).allow, true);
    assert.equal(ask(mesh, 'anyone api GET /', { at: Date.parse('2027-06-30T00:00:00Z') }).allow, false);
  });
  it('knows no identity on a disable port', () => {
    const mesh = api('  mtls: disable\n  allow: [web]');
    denies(mesh, 'web api GET /', 'anyone api GET /');
    assert.match(ask(mesh, 'web api GET /').note ?? '', /nobody proves an identity/);
    allows(api('  mtls: disable\n  allow: [{ from: anyone }]'), 'web api GET /', 'anyone api GET /');
  });
  it('a deny by identity also refuses callers without one where plaintext comes in', () => {
    const rules = '  allow: [{ from: anyone }]\n  deny: [debug]';
    const open = api(`  mtls: { mode: permissive, until: 2027-06-30T00:00:00Z }\n${rules}`);
    allows(open, 'web api GET /');
    denies(open, 'debug api GET /', 'anyone api GET /');
    denies(api(`  mtls: disable\n${rules}`), 'web api GET /', 'anyone api GET /');
  });
});

describe('decide: what', () => {
  const mesh = api(`  allow:
    - { from: web, to: [GET /orders/*, POST /orders, "*.png", "/t/{*}/x", "/r/{**}"] }
    - { from: orders, to: { methods: [GET], not: { paths: [/secret/*] } } }
  deny:
    - to: [/orders/admin, /hidden/*]`);
  it('matches methods and paths as they are written', () => {
    allows(
      mesh,
      'web api GET /orders',
      'web api GET /orders/',
      'web api GET /orders/1/2',
      'web api POST /orders',
      'web api PUT /a.png',
    );
    allows(mesh, 'web api GET /t/1/x', 'web api GET /r/', 'web api GET /r/a/b', 'web api GET /orders?x=/../y');
    denies(
      mesh,
      'web api GET /ordersx',
      'web api POST /orders/',
      'web api get /orders',
      'web api GET /Orders',
      'web api GET /a.PNG',
    );
    denies(
      mesh,
      'web api GET /t/x',
      'web api GET /t//x',
      'web api GET /t/1/2/x',
      'web api GET /r',
      'web api CONNECT /orders/1',
    );
  });
  it('matches what is left after normalising', () => {
    allows(mesh, 'web api GET //orders//1', 'web api GET /x/../orders/1', 'web api GET /%6frders/1');
    denies(mesh, 'web api GET /orders/../x', 'web api GET /orders/%2e%2e/x', 'web api GET /orders/..');
  });
  it('ignores case in deny and takes the trailing slash', () => {
    denies(
      mesh,
      'web api GET /orders/admin',
      'web api GET /orders/admin/',
      'web api GET /orders/ADMIN',
      'web api GET /orders/%41dmin',
    );
    allows(mesh, 'web api GET /orders/admin/x', 'web api GET /orders/administrator');
    denies(mesh, 'orders api GET /hidden', 'orders api GET /HIDDEN/x');
  });
  it('below not in an allow takes the wide reading', () => {
    allows(mesh, 'orders api GET /public');
    denies(mesh, 'orders api GET /secret', 'orders api GET /Secret/x', 'orders api POST /public');
  });
  it('answers two ways to write a path with 400 where path rules are written', () => {
    for (const path of ['/orders/%2Fx', '/orders/%5cx', '/orders/;x', '/orders/%2561', '/orders/%0a', '/orders/%7F'])
      assert.match(ask(mesh, `web api GET ${path}`).reason, /400/, path);
    allows(mesh, 'web api GET /orders/%20', 'web api GET /orders/?a;b=%2F');
    allows(api('  allow: [web]'), 'web api GET /a;b%2F%2561');
  });
  it('lets a port say which of these its app means', () => {
    const lax = meshOf(
      prod(`${WHO}api:
  ports: { http: { port: 80, protocol: http, pathsMayHold: [";", "%2F"] } }
  allow: [{ from: web, to: /a/* }]`),
    );
    allows(lax, 'web api GET /a/;b', 'web api GET /a/%2F');
    denies(lax, 'web api GET /a/%5C');
  });
  it('refuses what Envoy refuses before any rule', () => {
    for (const path of ['/a#b', '/a%00', '/é', '/a\u0001', 'a', '*'])
      denies(api('  allow: [web]'), `web api GET ${path}`);
  });
  it('the root denied is the root however many slashes it has', () => {
    denies(
      api('  allow: [web]\n  deny: [{ to: GET / }]'),
      'web api GET /',
      'web api GET //',
      'web api GET ///',
      'web api GET /a/..',
    );
  });
  it('HTTP rules hold on HTTP ports only, and close no other', () => {
    const open = api('  allow: [{ from: web, to: GET /a }]', 'authorization: allow');
    denies(open, 'orders api GET /a', 'orders api GET /b');
    allows(open, 'orders api:db', 'web api:db');
  });
  it('port rules hold on their ports only', () => {
    const ports = api(
      '  allow: [{ from: web, to: { ports: [db] } }, { from: orders, to: { not: { ports: [9090] } } }]',
    );
    allows(ports, 'web api:db', 'orders api:http GET /');
    denies(ports, 'web api:http GET /', 'orders api:db');
  });
});

describe('decide: when', () => {
  const mesh = api('  allow: [{ from: debug, until: 2027-06-30T12:00:00Z }]', 'authorization: allow');
  const end = Date.parse('2027-06-30T12:00:00Z');
  it('a grant ends at its moment, and the port stays closed', () => {
    assert.equal(ask(mesh, 'debug api GET /', { at: end - 1 }).allow, true);
    const after = ask(mesh, 'debug api GET /', { at: end });
    assert.equal(after.allow, false);
    assert.match(after.nearestMiss?.reason ?? '', /ended at 2027-06-30T12:00:00/);
    assert.equal(ask(mesh, 'web api GET /', { at: end }).allow, false);
  });
});

describe('decide: the default', () => {
  it('is deny', () => {
    const verdict = ask(api(''), 'web api GET /');
    assert.equal(verdict.allow, false);
    assert.match(verdict.reason, /no allow rule is written/);
  });
  it('may be allow where no allow rule is written, never against a deny', () => {
    const mesh = api('  deny: [{ to: /admin }]', 'authorization: allow');
    allows(mesh, 'web api GET /');
    denies(mesh, 'web api GET /admin', 'anyone api GET /');
  });
  it('tells that a caller does not know a name that it never uses', () => {
    assert.match(ask(api('', 'authorization: allow'), 'web api GET /').note ?? '', /name it in uses/);
  });
});

describe('decide: what is not given', () => {
  it('is a refusal that says on what it depends', () => {
    const mesh = api('  allow: [{ from: web, to: GET /a }, { from: orders }]\n  deny: [{ from: orders, to: /b }]');
    assert.deepEqual(ask(mesh, 'web api ? ?').dependsOn, ['method', 'path']);
    assert.deepEqual(ask(mesh, 'web api GET ?').dependsOn, ['path']);
    assert.deepEqual(ask(mesh, 'orders api GET ?').dependsOn, ['path']);
    assert.equal(ask(mesh, 'orders api GET ?').allow, false);
    assert.equal(ask(mesh, 'web api POST ?').dependsOn, undefined);
    assert.equal(ask(mesh, 'debug api ? ?').dependsOn, undefined);
    assert.equal(ask(mesh, 'orders api ? /c').allow, true);
  });
});

describe('a deny of {**}', () => {
  it('takes the path above it too; an allow does not', () => {
    const denied = api('  allow: [web]\n  deny: [{ to: "/a/{*}/{**}" }]');
    denies(denied, 'web api:http GET /a/b', 'web api:http GET /A/b/', 'web api:http GET /a/b/c');
    allows(denied, 'web api:http GET /a');
    const allowed = api('  allow: [{ from: web, to: "/a/{*}/{**}" }]');
    allows(allowed, 'web api:http GET /a/b/', 'web api:http GET /a/b/c');
    denies(allowed, 'web api:http GET /a/b', 'web api:http GET /a');
  });
});

describe('the nearest miss', () => {
  it('is the rule for this caller, else the one for this call', () => {
    const mesh = api('  allow: [{ from: orders, to: GET /a }, { from: web, to: POST /b }]');
    assert.match(ask(mesh, 'web api GET /a').nearestMiss?.reason ?? '', /it is for POST \/b/);
    assert.match(ask(mesh, 'debug api GET /a').nearestMiss?.reason ?? '', /it is for spiffe:.*orders/);
  });
});

describe('listAllowed', () => {
  const list = (mesh: Mesh, from: string) => {
    const caller = findCaller(mesh, from);
    assert.ok(caller.ok);
    const target = findPort(mesh, 'api:http', caller.value);
    assert.ok(target.ok);
    const { verdict, allowed, denied } = listAllowed(mesh, NOW, {
      from: caller.value,
      plaintext: false,
      ...target.value,
    });
    return [verdict.allow, allowed.map(({ call }) => call), denied.map(({ call }) => call)];
  };
  it('names every call that passes, and what is taken away again', () => {
    const mesh = api(`  allow:
    - { from: web, to: [GET /a/*, "/t/{*}"] }
    - { from: web, to: POST, until: 2026-01-01T00:00:00Z }
    - { from: orders, to: { not: { paths: [/x] } } }
  deny: [{ to: /a/secret }, { from: debug }]`);
    assert.deepEqual(list(mesh, 'web'), [true, ['GET /a/*', '/t/{*}'], ['/a/secret']]);
    assert.deepEqual(list(mesh, 'orders'), [true, ['any call except /x'], ['/a/secret']]);
    assert.deepEqual(list(mesh, 'debug'), [false, [], []]);
    assert.deepEqual(list(mesh, 'anyone'), [false, [], []]);
  });
});

describe('references of a question', () => {
  const mesh = meshOf(
    'mesh: { trustDomain: a }\nnamespaces: { x: { services: { web: {}, api: { ports: [80/http, 81/tcp] } } }, y: { services: { web: {} } } }\n',
  );
  it('are found by short name where there is one', () => {
    assert.ok(findCaller(mesh, 'api').ok);
    assert.match(JSON.stringify(findCaller(mesh, 'web')), /several services are called web: write x\/web or y\/web/);
    assert.match(JSON.stringify(findCaller(mesh, 'nobody')), /there is no service nobody/);
    assert.match(JSON.stringify(findPort(mesh, 'x/api:82', { kind: 'anyone' })), /has no port 82/);
    assert.match(JSON.stringify(findPort(mesh, 'x/web', { kind: 'anyone' })), /has no ports/);
  });
});

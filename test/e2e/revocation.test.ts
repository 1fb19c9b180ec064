import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import type { RevocationAnswer } from '../../src/control/revocation/answer.ts';
import { httpApp, type TcpApp, tcpApp } from '../support/apps.ts';
import { eventually, untilMoment } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import { nodes, refused, revoke, revokingMeshYaml } from '../support/revoking.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { converse, type Line, openLine } from '../support/tcp.ts';
import { useWorld } from '../support/world.ts';

const WEB = 'spiffe://shop.example/ns/prod/sa/web';

const serialOf = async (mesh: TestMesh, node: string): Promise<string> => {
  const { sidecars } = await mesh.status();
  return sidecars.find((sidecar) => sidecar.node === node)?.certificate?.serial ?? assert.fail(`${node} is not there`);
};

const ledgerOf = (sidecar: Sidecar | undefined) => ({ host: sidecar?.address ?? '', port: 9001 });

/** Calls over one connection that stays. */
const heldBy = (sidecar: Sidecar, host: string) => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return async () => (await call(sidecar.outbound, { host, agent })).status;
};

describe('a revoked certificate', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let ledger: TcpApp;
  let [web, second, debug, payments, audit]: Sidecar[] = [];
  let serial: string;
  let held: Line;

  const at = (sidecar: Sidecar | undefined): Sidecar => sidecar ?? assert.fail('not started');

  before(async () => {
    const app = world.own(
      await httpApp('app', async ({ url }, response) => {
        response.write('begin ');
        if (url === '/slow') await new Promise((resolve) => setTimeout(resolve, 20_000));
        response.end('end');
      }),
    );
    ledger = world.own(await tcpApp());
    mesh = await world.mesh(revokingMeshYaml(app.port, ledger.port));
    [web, debug, payments, audit] = await world.sidecars(mesh, 'prod/web', 'prod/debug', 'prod/payments', 'prod/audit');
    second = await world.sidecar(mesh, 'prod/web');
    for (const caller of [web, debug, second]) {
      await at(caller).callUntil(200, { host: 'payments' });
      await eventually(async () =>
        assert.equal((await converse(ledgerOf(caller), 'hello', { enough: 5 })).received.length, 5),
      );
    }
    await at(debug).callUntil(200, { host: 'web' });
  });

  it('says before what it would do, and does nothing', async () => {
    serial = await serialOf(mesh, at(web).node);
    const before = await nodes(mesh);
    const { code, stdout } = await mesh.signet('ca', 'revoke', serial, '--cut', '--dry-run');
    assert.equal(code, 0);
    assert.match(
      stdout,
      new RegExp(`^${serial} would be revoked\\n  certificate ${serial} of ${at(web).node} \\(${WEB}\\)`),
    );
    assert.match(
      stdout,
      /would end within the drain time \(5s\): every connection to prod\/payments:8080, of prod\/debug, prod\/web/,
    );
    assert.deepEqual(await nodes(mesh), before);
    assert.equal((await at(web).call({ host: 'payments' })).status, 200);
  });

  it('is refused on the next request of a live connection; others lose nothing', async () => {
    held = world.own(openLine(ledgerOf(web)));
    assert.equal(await held.say('one'), 'one');
    const [victim, twin] = [heldBy(at(web), 'payments'), heldBy(at(second), 'payments')];
    assert.deepEqual([await victim(), await twin()], [200, 200]);
    const load = world.load(debug, { host: 'payments' });
    const toWeb = world.load(debug, { host: 'web' });
    const began = performance.now();
    const { code, stdout, stderr } = await mesh.signet('ca', 'revoke', serial, '--reason', 'stolen laptop');
    assert.equal(code, 0, stdout + stderr);
    assert.ok(performance.now() - began < 8_000);
    assert.match(stdout, /^refused everywhere: 1\/1$/m);
    assert.match(
      stdout,
      /^! ends within the drain time \(5s\): every connection to prod\/payments:9090, of prod\/debug, prod\/web$/m,
    );
    assert.doesNotMatch(stdout, /every connection to prod\/payments:8080/);
    assert.deepEqual([await victim(), await twin()], [403, 200]);
    // It had a certificate that was good a moment ago: a new connection shows the same.
    assert.equal((await at(web).call({ host: 'payments' })).status, 403);
    // Only servers that could admit it are told.
    assert.deepEqual([await refused(payments), await refused(audit)], [1, 0]);
    // Callers are not told of it any more, and go to the other instance without a failure.
    await eventually(async () => {
      assert.deepEqual(await at(debug).envoy.endpoints('prod/web/8080'), [`${at(second).address}:8080`]);
    });
    assert.deepEqual([(await load.stop()).failures, (await toWeb.stop()).failures], [{}, {}]);
  });

  it('is refused by TCP ports on the next connection, no byte of it arrives, and held ones are drained', async () => {
    await eventually(() => assert.rejects(held.say('still')), 9_000);
    const [connections, bytes] = [ledger.connections(), ledger.received().length];
    await eventually(async () => {
      const { received, end } = await converse(ledgerOf(web), 'let me in');
      assert.deepEqual([received.length, end === 'closed' || end === 'reset'], [0, true]);
    });
    assert.deepEqual([ledger.connections() - connections, ledger.received().length - bytes], [0, 0]);
    const answered = await converse(ledgerOf(debug), 'hello', { enough: 5 });
    assert.equal(answered.received.toString(), 'hello');
  });

  it('ends its ADS stream, and neither its token nor its certificate brings it back', async () => {
    await eventually(async () => assert.equal((await nodes(mesh)).includes(at(web).node), false));
    await untilMoment(Date.now() + 3_000);
    assert.equal((await nodes(mesh)).includes(at(web).node), false);
    assert.equal(await at(web).envoy.serialOf(WEB), serial);
  });

  it('stays refused after a kill -9 right after the command, also by who was away meanwhile', async () => {
    const other = await serialOf(mesh, at(second).node);
    // Stopped, it acknowledges nothing; its stream dies with the control plane.
    process.kill(at(payments).process.pid, 'SIGSTOP');
    try {
      const { code, stdout } = await mesh.signet('ca', 'revoke', other, '--timeout', '1s');
      assert.equal(code, 1, stdout);
      assert.match(stdout, new RegExp(`^refused by 0/1 within 1s, waiting for\\n  ${at(payments).node}`, 'm'));
      const check = await mesh.signet('check');
      assert.match(check.stdout, /‼ CHK0516 .* is refused by 0 of 1 sidecar: not yet by|× CHK0516/);
      await mesh.kill();
      await mesh.start();
    } finally {
      process.kill(at(payments).process.pid, 'SIGCONT');
    }
    await at(second).callUntil(403, { host: 'payments' }, 30_000);
    assert.equal((await at(web).call({ host: 'payments' })).status, 403);
    assert.equal((await at(debug).call({ host: 'payments' })).status, 200);
    await eventually(async () => {
      const answer = (await mesh.json('status')) as { readonly revocations: readonly RevocationAnswer[] };
      assert.deepEqual(
        answer.revocations.map(({ what, reason, refusing: { of, by, away } }) => [
          what,
          reason,
          by === of,
          away.length,
        ]),
        [
          [other, null, true, 0],
          [serial, 'stolen laptop', true, 0],
        ],
      );
    }, 20_000);
    assert.match((await mesh.signet('check')).stdout, /√ CHK0516 2 revoked certificates are refused everywhere/);
  });

  it('is told of by can, and is counted', async () => {
    const { stdout, code } = await mesh.signet('can', 'prod/web', 'prod/payments', 'GET', '/');
    assert.equal(code, 0);
    assert.match(stdout, /every valid certificate of \S+ is revoked \(2\)/);
    const { body } = await call(mesh.admin, { path: '/metrics' });
    assert.match(body, /^signet_revocations 2$/m);
    assert.match(body, /^signet_revocations_waiting_sidecars 0$/m);
  });

  it('lets a new token bring the service back, with a certificate that is not it', async () => {
    const third = await world.sidecar(mesh, 'prod/web');
    assert.equal((await third.callUntil(200, { host: 'payments' })).status, 200);
    assert.notEqual(await serialOf(mesh, third.node), serial);
    assert.equal((await at(web).call({ host: 'payments' })).status, 403);
    await at(debug).callUntil(200, { host: 'web' });
  });

  it('--cut ends what is under way at the servers concerned, and says whose that is', async () => {
    const fourth = await world.sidecar(mesh, 'prod/web');
    await fourth.callUntil(200, { host: 'payments' });
    const long = fourth.call({ host: 'payments', path: '/slow', timeout: 30_000 }).then(
      ({ body }) => body,
      () => 'cut',
    );
    const line = world.own(openLine(ledgerOf(debug)));
    assert.equal(await line.say('one'), 'one');
    const began = Date.now();
    const { code, stdout } = await mesh.signet('ca', 'revoke', await serialOf(mesh, fourth.node), '--cut');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^! ends now within .*every connection to prod\/payments:8080, of prod\/debug, prod\/web$/m);
    assert.doesNotMatch(stdout, /prod\/audit/);
    assert.notEqual(await long, 'begin end');
    assert.ok(Date.now() - began < 15_000);
    await at(debug).callUntil(200, { host: 'payments' });
    assert.equal((await at(debug).call({ host: 'audit' })).status, 200);
  });

  it('that nobody has is refused in one sentence', async () => {
    for (const [what, words, exit] of [
      ['abcdef0123', /^signet: no certificate of a workload that is still valid has the serial abcdef0123: .*\n$/, 1],
      ['prod/nobody', /^signet: spiffe:\/\/shop.example\/ns\/prod\/sa\/nobody is the identity of no service.*\n$/, 1],
      ['spiffe://other.example/ns/prod/sa/web', /^signet: .* is of another trust domain: .*\n$/, 1],
      ['what is this', /^signet: "what is this" is neither a serial in hex nor an identity: .*\n$/, 2],
    ] as const) {
      const { code, stderr } = await mesh.signet('ca', 'revoke', what);
      assert.match(stderr, words);
      assert.equal(code, exit, what);
    }
  });
});

describe('a port that takes plaintext, too', function () {
  this.timeout(60_000);
  const world = useWorld();
  let mesh: TestMesh;
  let [web, debug, mixed]: Sidecar[] = [];

  before(async () => {
    const app = world.own(await httpApp('app'));
    const ledger = world.own(await tcpApp());
    mesh = await world.mesh(`
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    mtls: { mode: permissive, until: 2099-01-01T00:00:00Z }
    services:
      web: { uses: { "mixed:ledger": 9001 } }
      debug: { uses: { "mixed:ledger": 9001 } }
      mixed:
        ports: { http: 8080:${app.port}/http, ledger: 9090:${ledger.port}/tcp }
        allow: [{ from: anyone }]
`);
    [web, debug, mixed] = await world.sidecars(mesh, 'prod/web', 'prod/debug', 'prod/mixed');
    for (const caller of [web, debug]) await caller?.callUntil(200, { host: 'mixed' });
  });

  it('refuses the certificate and nobody else, whether they have one or none', async () => {
    const plain = { host: mixed?.address ?? '', port: 9090 };
    await eventually(async () =>
      assert.equal((await converse(plain, 'hello', { enough: 5 })).received.toString(), 'hello'),
    );
    // Envoy's TLS inspector needs the five bytes of a TLS record's header to tell plaintext from TLS.
    const line = world.own(openLine(plain));
    assert.equal(await line.say('first'), 'first');
    const answer = await revoke(mesh, await serialOf(mesh, web?.node ?? ''));
    assert.deepEqual([answer.refusing.by, answer.refusing.of], [1, 1]);
    assert.equal((await web?.call({ host: 'mixed' }))?.status, 403);
    assert.equal((await web?.call({ host: 'mixed', path: '/a;b' }))?.status, 403);
    assert.equal((await debug?.call({ host: 'mixed' }))?.status, 200);
    assert.equal((await call({ ...plain, port: 8080 }, { host: 'mixed' })).status, 200);
    assert.equal((await converse(ledgerOf(debug), 'hello', { enough: 5 })).received.toString(), 'hello');
    assert.equal((await converse(plain, 'hello', { enough: 5 })).received.toString(), 'hello');
    await eventually(async () => assert.equal((await converse(ledgerOf(web), 'hello')).received.length, 0));
    // The chain for plaintext is the same as before: its connections are not drained.
    await untilMoment(Date.now() + 7_000);
    assert.equal(await line.say('again'), 'again');
  });
});

import assert from 'node:assert/strict';
import { checkHealth } from '../../../../src/control/health/checks.ts';
import { PROBE_KEY } from '../../../../src/control/keys.ts';
import type { StreamId } from '../../../../src/xds/server.ts';
import { memoryStore } from '../../../fakes/memoryStore.ts';
import { TestControl } from '../../../support/controlPlane.ts';
import { FakeClock } from '../../../support/fakeClock.ts';
import { NO_ROTATION } from '../../../support/idleRotation.ts';

const MESH = `mesh: { trustDomain: shop.example }
services: { web: {} }
`;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NODE = 'default/web/a';

describe('renewal by both clocks', () => {
  let test: TestControl;
  const start = async (...kept: Parameters<typeof TestControl.start> extends [string, ...infer R] ? R : never) => {
    test = await TestControl.start(MESH, ...kept);
  };
  let token: string | undefined;
  beforeEach(() => {
    token = undefined;
    return start();
  });
  afterEach(() => test.close());

  const join = async (node = NODE): Promise<StreamId> => {
    const stream = await test.connect(await test.token('default/web'), node);
    assert.ok(typeof stream === 'string');
    return stream;
  };
  const held = () => test.svids.held(NODE) ?? assert.fail('nothing was issued');
  const line = async (code: string): Promise<string> => {
    const { findings } = checkHealth({ ...(await test.control.health()), version: '1', ...NO_ROTATION });
    return findings.flatMap((found) => (found.code === code ? [`${found.level} ${found.message}`] : [])).join('\n');
  };
  const said = (words: RegExp): number => test.log.filter((sentence) => words.test(sentence)).length;

  it('renews what became due in a sleep of 8 h within 2 s of waking up, and nothing that did not', async () => {
    await join();
    const first = held();
    test.clock.jump(8 * HOUR);
    await test.clock.advance(2_100);
    assert.equal(held(), first, 'a third of its life is over');
    assert.equal(said(/the wall clock jumped forward by 8h: this machine slept, or its clock was set/), 1);
    test.clock.jump(8 * HOUR);
    await test.clock.advance(2_100);
    assert.notEqual(held().serial, first.serial);
    assert.equal(said(/jumped forward/), 2);
    assert.match(await line('CHK0513'), /^ok/);
  });

  it('renews at once after a jump forward beyond the end of every certificate', async () => {
    const streams = [await join(), await join('default/web/b')];
    test.clock.jump(40 * DAY);
    await test.clock.advance(2_100);
    assert.deepEqual(
      streams.map((stream) => test.count(stream)),
      [2, 2],
    );
    assert.ok(held().notBefore <= test.clock.now() && held().notAfter > test.clock.now());
    assert.match(await line('CHK0501'), /^ok/);
  });

  it('forgets no certificate of an instance that is away because the clock is ahead for a while', async () => {
    await join('default/web/b');
    const { serial } = test.svids.held('default/web/b') ?? assert.fail();
    const stream = await join();
    test.event({ kind: 'closed', stream, at: test.clock.now() });
    const away = held();
    test.clock.jump(3 * DAY);
    await test.clock.advance(2 * HOUR);
    assert.notEqual(test.svids.held('default/web/b')?.serial, serial);
    assert.equal(held(), away);
    test.clock.jump(-3 * DAY);
    await test.clock.skip(2 * DAY);
    assert.equal(test.svids.held(NODE), undefined);
  });

  it('replaces certificates that begin in the future after a jump back of a day, and takes nothing from them', async () => {
    await join();
    await test.clock.skip(6 * HOUR);
    const before = held();
    test.clock.jump(-DAY);
    await test.clock.advance(2_100);
    const now = test.clock.now();
    assert.equal(said(/the wall clock was set back by 1d/), 1);
    // Good for peers whose clock was set back too, and for those whose clock was not.
    assert.ok(held().serial !== before.serial && held().notBefore <= now);
    assert.ok(Math.abs(held().notAfter - before.notAfter) < 1_000, 'it ends when the one before would have');
    assert.match(await line('CHK0513'), /^warning this host's clock was set back: since .* it is 1d behind/);
  });

  it('gives nothing beyond twice the ttl however far the clock goes back', async () => {
    await join();
    test.clock.jump(-30 * DAY);
    await test.clock.advance(2_100);
    assert.ok(held().notAfter - test.clock.now() <= 2 * DAY);
  });

  it('goes on renewing by the monotonic clock after a jump back that leaves the certificate valid', async () => {
    await join();
    await test.clock.skip(11 * HOUR);
    const first = held();
    test.clock.jump(-10 * HOUR);
    await test.clock.advance(2_100);
    assert.equal(held(), first, 'it is valid, and not due by any clock');
    await test.clock.skip(3.5 * HOUR);
    assert.notEqual(held().serial, first.serial, 'the wall clock says that it is 4.5 h old, and it is 14.5 h');
  });

  for (const hours of [1, 6, 12, 19]) {
    it(`renews more often while its clock may be ${hours} h behind, so that no peer sees a certificate end`, async () => {
      await join();
      await test.clock.skip(11 * HOUR);
      test.clock.jump(-hours * HOUR);
      const before = test.svids.issued.length;
      for (let quarter = 0; quarter < 72 * 4; quarter++) {
        await test.clock.skip(HOUR / 4);
        // By the clock of a peer that was not set back.
        assert.ok(held().notAfter > test.clock.now() + hours * HOUR, `after ${quarter / 4} h`);
        assert.ok(held().notBefore <= test.clock.now(), 'by the clock of a peer that was set back, too');
      }
      const renewals = test.svids.issued.length - before;
      assert.ok(renewals < 32, `${renewals} renewals in 3 days`);
    });
  }

  it('is not moved by what time zones do', async () => {
    const zone = process.env.TZ;
    process.env.TZ = 'Europe/Berlin';
    try {
      // An hour before summer time begins there.
      await test.close();
      await start(memoryStore(), new FakeClock(Date.UTC(2027, 2, 28, 0)));
      await join();
      await test.clock.skip(11.9 * HOUR);
      assert.equal(test.svids.issued.length, 1);
      assert.equal(said(/wall clock/), 0);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });

  it('says when the process stood still, and does what became due at once', async () => {
    await join();
    const first = held();
    test.clock.stall(15 * HOUR);
    await test.clock.advance(100);
    assert.notEqual(held().serial, first.serial);
    assert.equal(said(/Signet stood still for 15h/), 1);
    assert.equal(said(/wall clock/), 0);
  });

  it('notices at the start that the clock was set back since the data directory was written', async () => {
    const store = memoryStore();
    const before = new FakeClock();
    await store.commit([{ key: PROBE_KEY, value: Buffer.from(JSON.stringify({ at: before.now() + 3 * HOUR })) }]);
    await test.close();
    await start(store, before);
    assert.equal(said(/the clock of this host is 3h behind what the data directory has seen/), 1);
    assert.match(await line('CHK0513'), /^warning .* 3h behind/);
    await join();
    test.clock.jump(3 * HOUR);
    await test.clock.advance(2_100);
    assert.match(await line('CHK0513'), /^ok/, 'it was set right');
  });

  it('lets no stream outlive its certificate because the clock was set back', async () => {
    await join();
    const { serial, notAfter } = held();
    const peer = { address: '127.0.0.1', port: 1 };
    const spiffeId = held().id;
    const caller = await test.control.authenticate({
      authorization: undefined,
      certificate: { spiffeId, serial, notAfter },
      peer,
    } as never);
    assert.ok(caller.ok);
    const stream = 'by-certificate' as StreamId;
    const node = { id: NODE, cluster: '', metadata: {}, userAgent: '' };
    assert.ok((await test.control.admit(caller.value, node, stream)).ok);
    test.event({ kind: 'opened', stream, at: test.clock.now(), node, peer, only: undefined });
    test.clock.jump(-DAY);
    await test.clock.skip(DAY - 60_000);
    assert.ok(test.ended.some((ended) => ended.stream === stream));
  });

  /** As `signet sidecar` does. */
  const ask = async (node: string, metadata: unknown): Promise<void> => {
    token ??= await test.token('default/web');
    const authorization = `Bearer ${token}`;
    const caller = await test.control.authenticate({ authorization, peer: { address: '127.0.0.1', port: 1 } });
    assert.ok(caller.ok);
    assert.ok((await test.control.fetchSecrets(caller.value, { id: node, metadata })).ok);
  };
  const telling = (ahead: number) => ({ 'signet.time': test.clock.now() + ahead });

  it('names a sidecar whose clock is off, once in the log, and says when it is right again', async () => {
    for (const name of ['a', 'b', 'c']) await ask(`default/web/${name}`, telling(0));
    assert.match(await line('CHK0513'), /^ok .*3 sidecars that tell their time agree$/);
    for (let i = 0; i < 3; i++) await ask('default/web/b', telling(-2 * HOUR));
    await ask('default/web/c', telling(35_000));
    assert.equal(
      await line('CHK0513'),
      'failure clock drift: default/web/b (2h behind)\nwarning clock drift: default/web/c (35s ahead)',
    );
    assert.equal(said(/^clock drift: the clock of default\/web\/b is 2h behind$/), 1);
    await ask('default/web/b', telling(100));
    assert.equal(said(/^the clock of default\/web\/b agrees with this host's again$/), 1);
  });

  it('does not let a sidecar that changes its mind fill the log', async () => {
    for (let i = 0; i < 20; i++) await ask('default/web/a', telling(i % 2 === 0 ? HOUR : 0));
    assert.equal(said(/the clock of default\/web\/a/), 2);
    await ask('default/web/a', telling(HOUR));
    assert.match(await line('CHK0513'), /^failure clock drift/);
  });

  it('suspects its own clock where most others disagree with it alike, and forgets what they said when it is set', async () => {
    for (const name of ['a', 'b']) await ask(`default/web/${name}`, telling(HOUR));
    assert.match(
      await line('CHK0513'),
      /^failure clock drift: most sidecars that tell their time disagree with this host/,
    );
    test.clock.jump(HOUR);
    await test.clock.advance(2_100);
    assert.match(await line('CHK0513'), /^ok/);
  });

  it('makes nothing of a time that is none', async () => {
    for (const time of ['now', Number.NaN, -1, 1e300, Number.POSITIVE_INFINITY, null, {}, undefined]) {
      await ask('default/web/a', { 'signet.time': time });
    }
    for (const metadata of [undefined, null, 'x', []]) await ask('default/web/a', metadata);
    assert.equal(await line('CHK0513'), 'ok no clock is known to be wrong');
  });
});

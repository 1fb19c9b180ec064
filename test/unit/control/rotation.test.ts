import assert from 'node:assert/strict';
import { certify, signIntermediate } from '../../support/enterprise.ts';
import { RotatingFleet, TTL } from '../../support/rotatingFleet.ts';

const WEB = 'prod/web/a';
const ORDERS = 'prod/orders/a';

describe('the loop of a rotation', () => {
  let fleet: RotatingFleet;
  const roots = () => fleet.authority.trustBundle().authorities.length;
  const heldRoot = (node: string): string => fleet.rootOf(fleet.sidecars.get(node)?.held?.chainPem ?? '');
  const active = (): string => fleet.authority.describe().root.serial;

  beforeEach(async () => {
    fleet = await RotatingFleet.start();
    for (const node of [WEB, ORDERS]) await fleet.connect(node);
  });
  afterEach(() => fleet.loop.close());

  it('runs a root from bundle to leaves to its end by itself, and nobody refuses anybody on the way', async () => {
    const before = active();
    await fleet.loop.begin('root', 'a test');
    for (const step of ['root distribute', 'root issue', 'root retire', 'none']) {
      await fleet.until(step);
      assert.deepEqual(fleet.refusals(), [], step);
    }
    assert.notEqual(active(), before);
    assert.deepEqual([heldRoot(WEB), heldRoot(ORDERS), roots()], [active(), active(), 1]);
    assert.ok(fleet.log.some((line) => /rotation of the root: retire took .*, it is done/.test(line)));
    assert.equal(fleet.issued.length, 2);
  });

  it('runs an intermediate, whose leaves everybody trusts already', async () => {
    const { intermediate, root } = fleet.authority.describe();
    await fleet.loop.begin('intermediate', 'a test');
    assert.equal(fleet.step(), 'intermediate issue');
    await fleet.until('none');
    assert.equal(active(), root.serial);
    assert.notEqual(fleet.authority.describe().intermediate.serial, intermediate.serial);
    assert.equal(fleet.issued.length, 2);
  });

  it('runs to a root of others whose serial begins with the octet that keeps it positive', async () => {
    const [now, serial] = [fleet.clock.now(), Buffer.from('00f0e1d2c3b4a5968778695a4b3c2d1e0f', 'hex')];
    const times = { notBefore: now - TTL, notAfter: now + 100 * 86_400_000 };
    const corp = certify({ serial, ...times });
    const { csr } = await fleet.authority.imports.request(false, now);
    await fleet.authority.imports.take(signIntermediate(csr, corp, { serial, ...times }).pem + corp.pem, now);
    await fleet.loop.begin('root', 'a test');
    for (const step of ['root distribute', 'root issue', 'root retire', 'none']) await fleet.until(step);
    assert.equal(active(), serial.subarray(1).toString('hex'));
  });

  it('keeps a gate open for its second, and goes on after a pause, whatever the wall clock does', async () => {
    for (const jump of [3_600_000, -3_600_000]) {
      await fleet.loop.begin('root', 'a test');
      for (const step of ['root distribute', 'root issue']) {
        await fleet.clock.advance(400);
        assert.equal(fleet.step(), step);
        fleet.clock.jump(jump / 3);
        await fleet.clock.advance(300);
        assert.equal(fleet.step(), step, 'the wall clock has no say in what workers hold');
        await fleet.until(step === 'root issue' ? 'root retire' : 'root issue');
      }
      await fleet.loop.pause();
      await fleet.clock.advance(2_000);
      fleet.clock.jump(jump / 3);
      await fleet.loop.resume();
      await fleet.until('none', 3_000);
      assert.deepEqual(fleet.refusals(), []);
    }
  });

  it('waits in each step for the sidecar that does not ACK, and names it', async () => {
    await fleet.turn(ORDERS, 'deaf');
    await fleet.loop.begin('root', 'a test');
    await fleet.clock.advance(60_000);
    assert.equal(fleet.step(), 'root distribute');
    assert.deepEqual(fleet.waiting(), [`${ORDERS} has not ACKed the bundle with the new root`]);
    assert.ok(fleet.log.some((line) => line.startsWith(`the rotation waits: ${ORDERS}`)));
    await fleet.turn(ORDERS, 'acks');
    await fleet.until('root issue');
    await fleet.turn(ORDERS, 'deaf');
    await fleet.clock.advance(60_000);
    assert.deepEqual(fleet.waiting(), [`${ORDERS} may hold a certificate of the old one`]);
    await fleet.turn(ORDERS, 'acks');
    await fleet.until('none');
  });

  it('names the words of a sidecar that refuses its secrets, and goes on when it takes them', async () => {
    await fleet.turn(ORDERS, 'nacks');
    await fleet.loop.begin('root', 'a test');
    await fleet.clock.advance(5_000);
    assert.match(fleet.waiting().join(), /prod\/orders\/a .*it refused its secrets \(no such curve\)/);
    await fleet.turn(ORDERS, 'acks');
    await fleet.until('none');
  });

  it('is held up by a sidecar that is away no longer than its certificate lives', async () => {
    fleet.disconnect(ORDERS);
    await fleet.loop.begin('root', 'a test');
    await fleet.clock.advance(30_000);
    assert.match(fleet.waiting().join(), /prod\/orders\/a has not ACKed .*, and is away/);
    const ends = fleet.sidecars.get(ORDERS)?.held?.notAfter ?? 0;
    assert.equal(fleet.loop.report().gate?.waitingFor[0]?.until, ends);
    await fleet.clock.advance(ends - fleet.clock.now() - 1_000);
    assert.equal(fleet.step(), 'root distribute');
    await fleet.until('none');
    assert.deepEqual(fleet.refusals(), []);
  });

  it('does not wait for one that is away and was revoked', async () => {
    fleet.disconnect(ORDERS);
    await fleet.loop.begin('root', 'a test');
    await fleet.clock.advance(5_000);
    assert.equal(fleet.waiting().length, 1);
    fleet.revoked.add(ORDERS);
    await fleet.until('none');
  });

  it('does not wait for one that left with all that the step wants', async () => {
    await fleet.loop.begin('root', 'a test');
    await fleet.clock.advance(100);
    fleet.disconnect(ORDERS);
    await fleet.until('root retire');
    assert.deepEqual(fleet.waiting(), [`${ORDERS} may hold a certificate of the old one, and is away`]);
    await fleet.connect(ORDERS);
    await fleet.until('none');
    assert.equal(heldRoot(ORDERS), active());
    assert.deepEqual(fleet.refusals(), []);
  });

  it('takes a certificate that was sent and not confirmed for both: the one that came may be in use, and the one before it', async () => {
    await fleet.loop.begin('root', 'a test');
    await fleet.until('root issue');
    fleet.disconnect(ORDERS);
    await fleet.connect(ORDERS, { mood: 'mute' });
    await fleet.clock.advance(2_000);
    assert.equal(heldRoot(ORDERS), active());
    await fleet.loop.abort('changed my mind');
    await fleet.clock.advance(30_000);
    assert.match(fleet.waiting().join(), /prod\/orders\/a may hold a certificate of the old one/);
    await fleet.turn(ORDERS, 'acks');
    await fleet.until('none');
    assert.deepEqual(fleet.refusals(), []);
  });

  it('gives the first certificate to one sidecar, and the next when that ACKed it', async () => {
    for (let i = 0; i < 50; i += 1) await fleet.connect(`prod/web/m${i}`);
    await fleet.loop.begin('root', 'a test');
    for (const { node } of fleet.sidecars.values()) if (node !== WEB) await fleet.turn(node, 'acks');
    await fleet.until('root distribute');
    for (const sidecar of fleet.sidecars.values()) sidecar.mood = 'acks';
    await fleet.clock.advance(900);
    for (const sidecar of fleet.sidecars.values()) sidecar.mood = 'deaf';
    await fleet.until('root issue');
    await fleet.clock.advance(2_000);
    assert.equal(fleet.issued.length, 1);
    await fleet.turn(fleet.issued[0] ?? '', 'acks');
    await fleet.clock.advance(200);
    assert.equal(fleet.issued.length, 33);
    for (const { node } of fleet.sidecars.values()) await fleet.turn(node, 'acks');
    await fleet.until('none');
    assert.equal(fleet.issued.length, 52);
  });

  it('serves a joiner at any step: it trusts both from the start, holds up nothing, and keeps its first certificate', async () => {
    await fleet.loop.begin('root', 'a test');
    for (const step of ['root distribute', 'root issue', 'root retire'] as const) {
      await fleet.until(step);
      await fleet.connect(`prod/web/${step.slice(5)}`);
      assert.deepEqual(fleet.refusals(), [], step);
    }
    await fleet.until('none');
    assert.deepEqual(fleet.issued.toSorted(), [ORDERS, WEB, 'prod/web/distribute'].toSorted());
    assert.deepEqual(fleet.refusals(), []);
  });

  it('survives a restart at every step, with the same plan, and ends each step once', async () => {
    await fleet.loop.begin('root', 'a test');
    const id = fleet.authority.rotation.plan()?.id;
    for (const step of ['root distribute', 'root issue', 'root retire'] as const) {
      await fleet.until(step);
      await fleet.restart();
      assert.deepEqual([fleet.step(), fleet.authority.rotation.plan()?.id], [step, id]);
      assert.ok(fleet.log.some((line) => line.includes('the rotation of the root goes on')));
      assert.deepEqual(fleet.refusals(), []);
    }
    await fleet.until('none');
    // Made, begun, and three steps.
    assert.equal(fleet.authority.describe().generation, 5);
  });

  it('does nothing while it is paused, and goes on from there', async () => {
    for (const step of ['root distribute', 'root issue', 'root retire'] as const) {
      await fleet.loop.begin('root', 'a test').catch(() => {});
      await fleet.until(step);
      await fleet.loop.pause();
      const issued = fleet.issued.length;
      await fleet.clock.advance(120_000);
      assert.deepEqual([fleet.step(), fleet.issued.length], [`${step} paused`, issued]);
      await fleet.restart();
      await fleet.clock.advance(60_000);
      assert.equal(fleet.step(), `${step} paused`);
      await fleet.loop.resume();
    }
    await fleet.until('none');
  });

  it('goes back from every step with the same gates, and is not begun again by itself', async () => {
    const before = active();
    for (const step of ['root distribute', 'root issue', 'root retire'] as const) {
      await fleet.loop.begin('root', 'a test');
      await fleet.until(step);
      // Somebody is late, so that the step does not end.
      await fleet.loop.abort('changed my mind');
      await fleet.until('none');
      assert.deepEqual([active(), roots(), heldRoot(WEB), heldRoot(ORDERS)], [before, 1, before, before], step);
      assert.deepEqual(fleet.refusals(), []);
    }
  });

  it('refuses a second plan, and what no plan is there for, by a sentence', async () => {
    await assert.rejects(fleet.loop.pause(), { code: 'rotation_refused' });
    await fleet.loop.begin('root', 'a test');
    await assert.rejects(fleet.loop.begin('root', 'again'), { code: 'rotation_refused' });
    await fleet.until('none');
  });

  it('tries on when the store takes nothing, and says so once a minute', async () => {
    const { commit } = fleet.store;
    await fleet.loop.begin('root', 'a test');
    Object.assign(fleet.store, { commit: () => Promise.reject(new Error('disk full')) });
    await fleet.clock.advance(30_000);
    assert.equal(fleet.step(), 'root distribute');
    assert.equal(fleet.loop.report().trouble, 'disk full');
    assert.equal(fleet.log.filter((line) => line.includes('could not go on')).length, 1);
    Object.assign(fleet.store, { commit });
    await fleet.until('none');
    assert.equal(fleet.loop.report().trouble, undefined);
  });

  it('a compromised root: everybody has another certificate within seconds, and nothing of it serves again', async () => {
    const before = active();
    await fleet.connect('prod/late/a');
    fleet.disconnect('prod/late/a');
    await fleet.loop.begin('compromise', 'the key was on a stick');
    await fleet.until('none', 70_000);
    assert.deepEqual([heldRoot(WEB), heldRoot(ORDERS), roots()], [active(), active(), 1]);
    const late = await fleet.connect('prod/late/a');
    assert.equal(heldRoot('prod/late/a'), active());
    assert.notEqual(active(), before);
    assert.ok(late.held?.roots.every((root) => root !== before));
  });

  it('a root that turns out to be compromised in the middle of its rotation is left within seconds', async () => {
    const before = active();
    await fleet.loop.begin('root', 'a test');
    await fleet.until('root issue');
    await fleet.connect('prod/late/a', { mood: 'deaf' });
    await fleet.loop.begin('compromise', 'the key was on a stick');
    assert.equal(fleet.authority.clientAnchors().length, 1);
    await fleet.until('none', 130_000);
    assert.deepEqual([heldRoot(WEB), heldRoot(ORDERS), roots()], [active(), active(), 1]);
    assert.notEqual(active(), before);
  });

  it('a compromised root ends the streams that its certificates opened, forged ones too, and no others', async () => {
    const { serial = '' } = fleet.sidecars.get(WEB)?.held ?? {};
    const old = await fleet.connect(WEB, { credential: serial });
    const forged = await fleet.connect('prod/forged/a', { credential: 'made by whoever has the key' });
    await fleet.loop.begin('compromise', 'a test');
    await fleet.until('compromise retire');
    assert.deepEqual(fleet.ended, []);
    const fetched = fleet.keeper.list().find(({ instance }) => instance === ORDERS)?.svid.serial;
    await fleet.connect(ORDERS, { credential: fetched });
    await fleet.until('none', 70_000);
    assert.deepEqual(fleet.ended, [old.stream, forged.stream]);
    assert.ok(fleet.authority.clientAnchors().length === 1);
  });

  it('a compromised root vouches for no client of Signet from the moment on when it is tainted', async () => {
    const anchors = () => fleet.authority.clientAnchors().length;
    await fleet.loop.begin('compromise', 'a test');
    assert.deepEqual([anchors(), roots()], [2, 2]);
    await fleet.until('compromise issue');
    assert.deepEqual([anchors(), roots()], [1, 2]);
  });

  it('a compromised root goes within two minutes although a sidecar takes nothing, and after a start waits for who was there', async () => {
    await fleet.turn(ORDERS, 'deaf');
    await fleet.loop.begin('compromise', 'a test');
    await fleet.clock.advance(59_000);
    assert.equal(fleet.step(), 'compromise distribute');
    await fleet.until('compromise issue');
    await fleet.turn(ORDERS, 'acks');
    await fleet.restart();
    fleet.disconnect(WEB);
    await fleet.clock.advance(10_000);
    assert.match(fleet.waiting().join(), /prod\/web\/a .*and is away|^$/);
    await fleet.connect(WEB);
    await fleet.until('none');
    assert.deepEqual(fleet.refusals(), []);
  });

  it('a compromised root goes as soon although the clock is set back meanwhile', async () => {
    await fleet.turn(ORDERS, 'deaf');
    await fleet.loop.begin('compromise', 'a test');
    await fleet.clock.advance(30_000);
    fleet.clock.jump(-3_600_000);
    await fleet.clock.advance(20_000);
    assert.equal(fleet.step(), 'compromise distribute');
    await fleet.until('compromise issue', 15_000);
    await fleet.until('compromise retire', 70_000);
  });

  it('a root begins to be replaced when 80 % of its life are over, and not again for a day after an abort', async () => {
    await fleet.loop.close();
    const YEAR = 365 * 86_400_000;
    fleet = await RotatingFleet.start(undefined, YEAR);
    const due = fleet.loop.report().due ?? assert.fail('none is due');
    assert.ok(Math.abs(due - (fleet.clock.now() + 0.8 * YEAR)) <= 3_600_000);
    fleet.clock.jump(due - fleet.clock.now() - 30_000);
    await fleet.connect(WEB);
    await fleet.clock.advance(20_000);
    assert.equal(fleet.step(), 'none');
    await fleet.until('root distribute', 20_000);
    assert.match(fleet.authority.rotation.plan()?.reason ?? '', /by schedule/);
    await fleet.loop.abort('not today');
    await fleet.restart();
    await fleet.clock.advance(2 * TTL);
    assert.equal(fleet.step(), 'none');
    await fleet.clock.advance(86_400_000 - 2 * TTL - 60_000);
    assert.equal(fleet.step(), 'none');
    await fleet.until('root distribute', 120_000);
  });

  it('a root begins to be replaced by no clock that is ahead for a while', async () => {
    fleet.atMost = fleet.clock.now();
    fleet.clock.jump(9 * 365 * 86_400_000);
    await fleet.connect(WEB);
    await fleet.clock.advance(600_000);
    assert.equal(fleet.step(), 'none');
    fleet.atMost = fleet.clock.now();
    await fleet.until('root distribute', 120_000);
  });
});

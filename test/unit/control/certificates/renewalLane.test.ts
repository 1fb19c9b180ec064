import assert from 'node:assert/strict';
import { RenewalLane } from '../../../../src/control/certificates/renewalLane.ts';
import type { StreamId } from '../../../../src/xds/server.ts';
import { FakeClock, settle } from '../../../support/fakeClock.ts';

const streams = (count: number): StreamId[] => Array.from({ length: count }, (_, index) => `s${index}` as StreamId);

describe('the lane of renewals that have time', () => {
  let clock: FakeClock;
  let begun: StreamId[];
  let renewed: (readonly StreamId[])[];
  let slow: Promise<void> | undefined;
  let pushes: boolean;
  let lane: RenewalLane;
  beforeEach(() => {
    clock = new FakeClock();
    begun = [];
    renewed = [];
    slow = undefined;
    pushes = false;
    lane = new RenewalLane({
      clock,
      yields: () => pushes,
      renew: async (stream) => {
        begun.push(stream);
        await slow;
      },
      renewed: (batch) => renewed.push(batch),
    });
  });

  it('renews a thousand within seconds, a few at once with a rest between, and each once', async () => {
    const all = streams(1_000);
    lane.add(all);
    lane.add(all);
    await settle();
    assert.ok(begun.length < 32, `${begun.length} at once`);
    await clock.advance(1_000);
    assert.ok(begun.length > 100 && begun.length < 400, `${begun.length} in a second`);
    await clock.advance(14_000);
    assert.deepEqual(renewed.flat(), all);
    assert.equal(lane.size, 0);
  });

  it('begins at once for one, knows who is in it, and leaves out who went away', async () => {
    let release = (): void => {};
    slow = new Promise((resolve) => (release = resolve));
    const [first, ...others] = streams(100) as [StreamId, ...StreamId[]];
    lane.add([first]);
    assert.deepEqual([begun, lane.has(first), lane.size], [[first], true, 1]);
    lane.add([first, ...others]);
    for (const stream of others.slice(50)) lane.remove(stream);
    release();
    await settle();
    await clock.advance(10_000);
    assert.deepEqual(renewed.flat(), [first, ...others.slice(0, 50)]);
  });

  it('begins nothing while a push waits, and goes on soon after', async () => {
    const all = streams(20);
    lane.add(all);
    await settle();
    const before = begun.length;
    pushes = true;
    await clock.advance(10_000);
    assert.equal(begun.length, before, 'only what had begun');
    pushes = false;
    await clock.advance(500);
    assert.deepEqual(renewed.flat(), all);
  });

  it('begins nothing more once it is closed', async () => {
    lane.add(streams(100));
    lane.close();
    await settle();
    await clock.advance(10_000);
    assert.ok(begun.length < 32);
    assert.equal(clock.pending, 0);
  });
});

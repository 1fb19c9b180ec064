import assert from 'node:assert/strict';
import { ClockRecord } from '../../../src/control/clockRecord.ts';
import { CLOCK_RECORD_KEY } from '../../../src/control/keys.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('the record of the wall clock', () => {
  const hours = async (clock: FakeClock, record: ClockRecord, count: number): Promise<void> => {
    for (let hour = 0; hour < count; hour++) {
      clock.stall(HOUR);
      await record.note(DAY);
    }
  };
  const begun = async () => {
    const [kept, clock] = [memoryStore(), new FakeClock()];
    const record = new ClockRecord(kept, clock);
    await record.note(DAY);
    return { kept, clock, record, start: clock.now() };
  };

  it('says nothing before it ran for so long, then what the clock says', async () => {
    const { clock, record, start } = await begun();
    await hours(clock, record, 23);
    assert.equal(record.atLeast(DAY), 0);
    await hours(clock, record, 1);
    assert.equal(record.atLeast(DAY), start + 24 * HOUR);
    await hours(clock, record, 10);
    assert.equal(record.atLeast(DAY), start + 34 * HOUR);
  });

  it('does not follow a clock that was wrong for a part of the span, forward or back', async () => {
    for (const wrong of [30 * DAY, -30 * DAY]) {
      const { clock, record, start } = await begun();
      await hours(clock, record, 30);
      clock.jump(wrong);
      await hours(clock, record, 3);
      assert.ok(record.atLeast(DAY) <= start + 33 * HOUR);
      clock.jump(-wrong);
      assert.ok(record.atLeast(DAY) <= start + 33 * HOUR);
      await hours(clock, record, 40);
      assert.equal(record.atLeast(DAY), start + 73 * HOUR);
    }
  });

  it('carries on from the earliest of what was said close together', async () => {
    const { clock, record, start } = await begun();
    await hours(clock, record, 30);
    clock.jump(-20 * HOUR);
    clock.stall(HOUR / 4);
    await record.note(DAY);
    clock.jump(20 * HOUR);
    clock.stall(HOUR / 4);
    assert.equal(record.atLeast(DAY), start + 10.5 * HOUR);
  });

  it('believes a clock that was set forward once it has said so for the whole span', async () => {
    const { clock, record, start } = await begun();
    await hours(clock, record, 30);
    clock.jump(30 * DAY);
    await hours(clock, record, 24);
    assert.equal(record.atLeast(DAY), start + 54 * HOUR);
    await hours(clock, record, 1);
    assert.equal(record.atLeast(DAY), start + 55 * HOUR + 30 * DAY);
  });

  it('comes on although it never runs for an hour', async () => {
    const { kept, clock, start } = await begun();
    for (let turn = 0; turn < 200; turn++) {
      const again = new ClockRecord(kept, clock);
      await again.note(DAY);
      clock.stall(HOUR / 6);
      await again.note(DAY);
    }
    assert.equal(new ClockRecord(kept, clock).atLeast(DAY), start + (200 * HOUR) / 6);
    assert.ok(Buffer.from(kept.get(CLOCK_RECORD_KEY)?.value ?? []).length < 3_000);
  });

  it('goes on over restarts, which count for no time, and stays small however many there are', async () => {
    const { kept, clock, record, start } = await begun();
    await hours(clock, record, 12);
    clock.jump(DAY);
    for (let i = 0; i < 200; i++) await new ClockRecord(kept, clock).note(DAY);
    const again = new ClockRecord(kept, clock);
    await hours(clock, again, 11);
    assert.equal(again.atLeast(DAY), 0);
    await hours(clock, again, 1);
    assert.equal(again.atLeast(DAY), start + DAY);
    await hours(clock, again, 500);
    assert.ok(Buffer.from(kept.get(CLOCK_RECORD_KEY)?.value ?? []).length < 2_000);
  });
});

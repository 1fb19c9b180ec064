import assert from 'node:assert/strict';
import { newSlices } from '../../../src/lib/slices.ts';

/** Computes for at least so many milliseconds. */
const compute = (span: number): void => {
  const until = performance.now() + span;
  while (performance.now() < until);
};

describe('work in slices', () => {
  it('lets the event loop turn between slices, however many workers share them', async () => {
    const { pause } = newSlices();
    let [turns, sinceTurn, longest] = [0, 0, 0];
    let done = false;
    const turn = (): void => {
      turns += 1;
      sinceTurn = 0;
      if (!done) setImmediate(turn);
    };
    setImmediate(turn);
    const worker = async (): Promise<void> => {
      for (let piece = 0; piece < 4; piece++) {
        await pause();
        compute(3);
        sinceTurn += 1;
        longest = Math.max(longest, sinceTurn);
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    done = true;
    // A slice of 5 ms is over with the second piece.
    assert.ok(longest <= 2, `${longest} pieces in one turn`);
    assert.ok(turns >= 15, `${turns} turns`);
  });

  it('has time within a slice, unless somebody waits for the next one', async () => {
    const { pause, hasTime } = newSlices();
    assert.ok(hasTime());
    compute(11);
    assert.ok(!hasTime());
    const first = pause();
    assert.ok(!hasTime());
    await first;
    assert.ok(hasTime());
    const next = pause();
    assert.ok(!hasTime());
    await next;
    assert.ok(hasTime());
  });
});

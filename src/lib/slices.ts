import type { Duration, Instant } from './time.ts';

/** Several may have their slices in one turn of the loop, beside what Node itself does in it. */
const SLICE: Duration = 5;

/** Long work in short slices, so that nothing else waits long for the event loop. */
export type Slices = {
  /** To be awaited before each piece of work: resolves once there is time for it, after a turn of the loop if need be. */
  readonly pause: () => Promise<void>;
  /** There is time right now (by `performance.now`), and nobody waits for it: no need to await anything. */
  readonly hasTime: (now?: Instant) => boolean;
};

/** Slices of 5 ms, shared by whoever shares the value. The pieces are to be much smaller than that. */
export const newSlices = (): Slices => {
  let since = performance.now();
  let last: Promise<void> = Promise.resolve();
  let waiting = 0;
  const isTime = (now = performance.now()): boolean => now - since < SLICE;
  const nextTurn = (resolve: () => void): void => {
    setImmediate(() => {
      since = performance.now();
      waiting -= 1;
      resolve();
    });
  };
  const untilTime = (): undefined | Promise<void> => {
    if (!isTime()) return new Promise(nextTurn);
    waiting -= 1;
    return undefined;
  };
  return {
    // One after the other: each looks at the time when the piece before it is done, not when all asked.
    pause: () => {
      waiting += 1;
      last = last.then(untilTime);
      return last;
    },
    hasTime: (now) => waiting === 0 && isTime(now),
  };
};

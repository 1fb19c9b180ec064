import type { Duration } from './time.ts';

const SLICE: Duration = 10;

/** Long work in short slices, so that nothing else waits long for the event loop. */
export type Slices = {
  /** To be awaited before each piece of work: resolves once there is time for it, after a turn of the loop if need be. */
  readonly pause: () => Promise<void>;
};

/** Slices of 10 ms, shared by whoever shares the value. The pieces are to be much smaller than that. */
export const newSlices = (): Slices => {
  let since = performance.now();
  let last = Promise.resolve();
  const untilTime = async (): Promise<void> => {
    if (performance.now() - since < SLICE) return;
    await new Promise((resolve) => setImmediate(resolve));
    since = performance.now();
  };
  return {
    // One after the other: each looks at the time when the piece before it is done, not when all asked.
    pause: () => {
      last = last.then(untilTime);
      return last;
    },
  };
};

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
  let turning: Promise<void> | undefined;
  const turned = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(() => {
        since = performance.now();
        turning = undefined;
        resolve();
      });
    });
  return {
    pause: async () => {
      // Again after the turn: many may have waited for it, and the first of them used it up.
      while (performance.now() - since >= SLICE) {
        turning ??= turned();
        await turning;
      }
    },
  };
};

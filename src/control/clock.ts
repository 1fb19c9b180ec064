import type { Duration, Instant } from '../lib/time.ts';

/** The port for everything that depends on time, so that tests can own it. */
export type Clock = {
  readonly now: () => Instant;
  /** Runs once, after at least `delay`; the result cancels it. */
  readonly after: (delay: Duration, run: () => void) => () => void;
};

/** The machine's wall clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after: (delay, run) => {
    const timer = setTimeout(run, delay);
    return () => clearTimeout(timer);
  },
};

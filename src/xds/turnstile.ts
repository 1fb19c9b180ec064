import type { Duration } from '../lib/time.ts';

/** Lets a bounded number of writes be under way at once, first come first served. */
export type Turnstile = {
  /** Calls `pass` when there is room, now or later; `pass` gets the function that makes room again. */
  readonly enter: (pass: (leave: () => void) => void) => void;
};

/**
 * A push to thousands of streams would otherwise hold every response in memory at once. Whoever does not leave within
 * `patience` (a client that does not read) stops counting, so it never keeps the others waiting.
 */
export const newTurnstile = (limit: number, patience: Duration): Turnstile => {
  const queue: ((leave: () => void) => void)[] = [];
  let inside = 0;
  const admit = (): void => {
    while (inside < limit) {
      const pass = queue.shift();
      if (pass === undefined) return;
      inside += 1;
      pass(leaveOnce());
    }
  };
  const leaveOnce = (): (() => void) => {
    let left = false;
    const leave = (): void => {
      if (left) return;
      left = true;
      clearTimeout(timer);
      inside -= 1;
      admit();
    };
    const timer = setTimeout(leave, patience).unref();
    return leave;
  };
  return {
    enter: (pass) => {
      queue.push(pass);
      admit();
    },
  };
};

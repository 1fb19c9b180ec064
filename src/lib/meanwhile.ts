import type { Duration } from './time.ts';

/** The outcome, or `meanwhile` if that takes longer than `patience`; the work goes on. */
export const orMeanwhile = <T>(outcome: Promise<T>, meanwhile: T, patience: Duration): Promise<T> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => resolve(meanwhile), patience);
    outcome.then(resolve, reject).finally(() => clearTimeout(timer));
  });

import type { Duration, Instant } from '../lib/time.ts';

/** So much at once, then so much a second. */
export type Rate = { readonly burst: number; readonly perSecond: number };

/** What one party may still spend (a token bucket). */
export type Allowance = {
  /** Spends, even what is not there; answers how long to wait until the debt is paid, 0 if there is none. */
  readonly spend: (cost: number, now: Instant) => Duration;
};

export const newAllowance = ({ burst, perSecond }: Rate): Allowance => {
  let left = burst;
  let at: Instant | undefined;
  return {
    spend: (cost, now) => {
      const elapsed = Math.max(0, now - (at ?? now));
      at = now;
      left = Math.min(burst, left + (elapsed / 1000) * perSecond) - cost;
      return left >= 0 ? 0 : (-left / perSecond) * 1000;
    },
  };
};

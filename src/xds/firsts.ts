import { keepNewest } from '../lib/newest.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { type Allowance, newAllowance } from './allowance.ts';
import type { Limits } from './limits.ts';

/** What the reading of a first request cost. */
export type Read<T> = { readonly value: T; readonly cpu: Duration };

/**
 * Reads first requests. Until one is read nobody knows its node, so until then its credential pays: one that spent what it has waits.
 */
export type Firsts = { readonly read: <T>(credential: string, read: () => T) => Promise<Read<T>> };

/** Credentials of which it is remembered what they spent. */
const MOST = 10_000;
/** What most first requests cost, ms. It is paid on coming, so that those who wait do not all go at once. */
const USUAL: Duration = 0.25;

export const newFirsts = (limits: Limits, now: () => Instant): Firsts => {
  const allowances = new Map<string, Allowance>();
  const rate = { burst: limits.firstBurst, perSecond: limits.firstMillisPerSecond };
  const allowanceOf = (credential: string): Allowance => {
    const known = allowances.get(credential);
    if (known !== undefined) return known;
    const fresh = newAllowance(rate);
    keepNewest(allowances, credential, fresh, MOST);
    return fresh;
  };
  return {
    read: async (credential, read) => {
      const allowance = allowanceOf(credential);
      const wait = allowance.spend(USUAL, now());
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait).unref());
      const began = now();
      const value = read();
      const cpu = now() - began;
      allowance.spend(cpu - USUAL, now());
      return { value, cpu };
    },
  };
};

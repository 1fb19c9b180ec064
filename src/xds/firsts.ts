import { keepNewest } from '../lib/newest.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { type Allowance, newAllowance } from './allowance.ts';
import type { Limits } from './limits.ts';

/** What the reading of a first request cost. */
export type Read<T> = { readonly value: T; readonly cpu: Duration };

/**
 * Reads first requests. Until one is read nobody knows its node, so until then its credential pays: one that spent what it has waits.
 */
export type Firsts = {
  /** `undefined` for a call that closes while it waits: nothing is read, paid or kept of it any more. */
  readonly read: <T>(credential: string, call: Closing, read: () => T) => Promise<Read<T> | undefined>;
};

/** A call, as far as it comes to an end. */
export type Closing = { readonly closed: boolean; readonly onClose: (then: () => void) => void };

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
    read: async (credential, call, read) => {
      const allowance = allowanceOf(credential);
      const wait = allowance.spend(USUAL, now());
      if (wait > 0) await pause(call, wait);
      if (call.closed) {
        // Paid back: else whoever hangs up makes all others of the credential wait.
        allowance.spend(-USUAL, now());
        return undefined;
      }
      const began = now();
      const value = read();
      const cpu = now() - began;
      allowance.spend(cpu - USUAL, now());
      return { value, cpu };
    },
  };
};

/** Until it is over, or the call is: who hung up holds neither a timer nor its request. */
const pause = (call: Closing, wait: Duration): Promise<void> =>
  new Promise((resolve) => {
    const over = (): void => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(over, wait).unref();
    call.onClose(over);
  });

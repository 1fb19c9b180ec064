import { keepNewest } from '../lib/newest.ts';
import { err, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { type Allowance, newAllowance } from './allowance.ts';
import type { Refusal } from './events.ts';
import { newFairQueue } from './fairQueue.ts';
import type { Limits } from './limits.ts';

/** A call with good credentials that names its node. */
export type Applicant = {
  /** Whose credential it is: each has its turn. */
  readonly credential: string;
  /** A claim: nobody has yet looked whether the credential is for it. */
  readonly node: string;
  /** It may hang up while it waits. */
  readonly isOver: () => boolean;
};

/** Calls wait here for their admission; only a node that has newer ones waiting loses the oldest of them. */
export type Admissions = {
  /** Runs `admit` when it is this call's turn. */
  readonly enter: <T>(who: Applicant, admit: () => Promise<Result<T, Refusal>>) => Promise<Result<T, Refusal>>;
};

/** Node ids of which it is remembered how often they came; they are claims of whoever has a credential. */
const MOST_NODES = 10_000;

/** What came of one node under one credential: under another it may be somebody else's lie. */
type Comings = { readonly allowance: Allowance; readonly waiting: Set<() => void> };

export const newAdmissions = (limits: Limits, now: () => Instant): Admissions => {
  const queue = newFairQueue<() => Promise<void>>();
  const comings = new Map<string, Comings>();
  let inside = 0;

  const next = (): void => {
    while (inside < limits.admissionsAtOnce) {
      const run = queue.take();
      if (run === undefined) return;
      inside += 1;
      void run().finally(() => {
        inside -= 1;
        next();
      });
    }
  };
  const comingsOf = ({ credential, node }: Applicant): Comings => {
    const key = `${credential} ${node}`;
    const known = comings.get(key);
    if (known !== undefined) return known;
    const rate = { burst: limits.openBurst, perSecond: limits.opensPerSecond };
    const fresh = { allowance: newAllowance(rate), waiting: new Set<() => void>() };
    keepNewest(comings, key, fresh, MOST_NODES);
    return fresh;
  };
  /** A node that comes again and again comes to the queue late; `false` if newer calls of it took its place meanwhile. */
  const pause = ({ allowance, waiting }: Comings): Promise<boolean> => {
    const wait = allowance.spend(1, now());
    if (wait === 0) return Promise.resolve(true);
    return new Promise((resolve) => {
      const leave = (inTime: boolean): void => {
        clearTimeout(timer);
        waiting.delete(giveUp);
        resolve(inTime);
      };
      const giveUp = (): void => {
        // It is paid back: else who comes too often would wait for ever.
        allowance.spend(-1, now());
        leave(false);
      };
      const timer = setTimeout(() => leave(true), wait).unref();
      waiting.add(giveUp);
      const [oldest] = waiting;
      if (waiting.size > limits.streamsPerNode) oldest?.();
    });
  };
  const queued = <T>({ credential, isOver }: Applicant, admit: () => Promise<Result<T, Refusal>>) =>
    new Promise<Result<T, Refusal>>((resolve, reject) => {
      // Who is gone takes no turn, no join and no place in the store.
      const run = (): Promise<void> => (isOver() ? Promise.resolve(GONE) : admit()).then(resolve, reject);
      queue.push(credential, run);
      next();
    });
  return {
    enter: async (who, admit) => ((await pause(comingsOf(who))) ? queued(who, admit) : OVERTAKEN),
  };
};

const GONE: Result<never, Refusal> = err({ code: 'unavailable', message: 'the client hung up' });
const OVERTAKEN: Result<never, Refusal> = err({
  code: 'resource_exhausted',
  message: 'this node calls too often, and newer calls of it wait',
});

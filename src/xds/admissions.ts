import { keepNewest } from '../lib/newest.ts';
import { err, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { type Allowance, newAllowance } from './allowance.ts';
import type { Refusal } from './events.ts';
import { newFairQueue } from './fairQueue.ts';
import type { Limits } from './limits.ts';

/** A stream with good credentials that names its node. */
export type Applicant = {
  /** Whose credential it is: each has its turn. */
  readonly credential: string;
  readonly node: string;
  /** It may hang up while it waits. */
  readonly isOver: () => boolean;
};

type Admitted = Result<void, Refusal>;

/** Streams wait here for their admission and are never refused for waiting. */
export type Admissions = {
  /** Runs `admit` when it is this stream's turn. */
  readonly enter: (who: Applicant, admit: () => Promise<Admitted>) => Promise<Admitted>;
};

/** Node ids of which it is remembered how often they came; they are claims of whoever has a credential. */
const MOST_NODES = 10_000;

export const newAdmissions = (limits: Limits, now: () => Instant): Admissions => {
  const queue = newFairQueue<() => Promise<void>>();
  const opening = new Map<string, Allowance>();
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
  /** A node that opens streams again and again comes to the queue late. */
  const pause = async (node: string): Promise<void> => {
    const known = opening.get(node);
    const allowance = known ?? newAllowance({ burst: limits.openBurst, perSecond: limits.opensPerSecond });
    if (known === undefined) keepNewest(opening, node, allowance, MOST_NODES);
    const wait = allowance.spend(1, now());
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait).unref());
  };
  const queued = ({ credential, isOver }: Applicant, admit: () => Promise<Admitted>): Promise<Admitted> =>
    new Promise((resolve, reject) => {
      // Who is gone takes no turn, no join and no place in the store.
      const run = (): Promise<void> => (isOver() ? Promise.resolve(GONE) : admit()).then(resolve, reject);
      queue.push(credential, run);
      next();
    });
  return {
    enter: async (who, admit) => {
      await pause(who.node);
      return queued(who, admit);
    },
  };
};

const GONE: Admitted = err({ code: 'unavailable', message: 'the client hung up' });

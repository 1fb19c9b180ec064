import type { Duration } from '../lib/time.ts';

/** Lets a bounded number of writes be under way at once, first come first served. */
export type Turnstile = {
  /** Calls `pass` when there is room for a write of so many bytes, now or later. It is inside until it leaves, and comes again only then. */
  readonly enter: (bytes: number, pass: Pass) => void;
  /** Makes room again. Who is not inside may leave, too. */
  readonly leave: (pass: Pass) => void;
};

/** Writes of at most `upTo` bytes, and how many of them may be under way at once. */
export type Lane = { readonly upTo: number; readonly writes: number };

/** Names who passes, too: one for all writes of a stream. */
export type Pass = () => void;

/**
 * A push to thousands of streams would otherwise hold every response in memory at once. Long writes have a lane of their own, so that
 * short ones never wait for them. Whoever does not leave within `patience` (a client that does not read) stops counting, so it
 * never keeps the others waiting. The last lane takes whatever is longer, too.
 */
export const newTurnstile = (lanes: readonly Lane[], patience: Duration): Turnstile => {
  const gates = lanes.map(({ upTo, writes }) => ({ upTo, ...newGate(writes, patience) }));
  return {
    enter: (bytes, pass) => (gates.find(({ upTo }) => bytes <= upTo) ?? gates.at(-1))?.enter(pass),
    leave: (pass) => {
      for (const gate of gates) gate.leave(pass);
    },
  };
};

type Gate = { readonly enter: (pass: Pass) => void; readonly leave: (pass: Pass) => void };

const newGate = (limit: number, patience: Duration): Gate => {
  const queue: Pass[] = [];
  /** Who is inside, oldest first, and since when. */
  const inside = new Map<Pass, number>();
  let timer: NodeJS.Timeout | undefined;

  const letIn = (pass: Pass): void => {
    inside.set(pass, performance.now());
    pass();
  };
  const admit = (): void => {
    while (inside.size < limit) {
      const pass = queue.shift();
      if (pass === undefined) return;
      letIn(pass);
    }
    // Only where somebody waits does it matter who stays too long.
    if (queue.length > 0 && timer === undefined) timer = setTimeout(look, patience).unref();
  };
  const look = (): void => {
    timer = undefined;
    const now = performance.now();
    for (const [pass, since] of inside) {
      if (now - since < patience) break;
      inside.delete(pass);
    }
    admit();
  };
  return {
    enter: (pass) => {
      if (queue.length === 0 && inside.size < limit) {
        letIn(pass);
        return;
      }
      queue.push(pass);
      admit();
    },
    leave: (pass) => {
      if (inside.delete(pass)) admit();
    },
  };
};

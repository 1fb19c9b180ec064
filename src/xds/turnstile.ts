import type { Duration } from '../lib/time.ts';

/** Lets a bounded number of writes, and of bytes in them, be under way at once, first come first served. */
export type Turnstile = {
  /**
   * Calls `pass` when there is room for so many bytes, now or later; `pass` gets the function that makes room again. What is
   * larger than all room passes alone.
   */
  readonly enter: (bytes: number, pass: (leave: () => void) => void) => void;
};

export type Room = { readonly writes: number; readonly bytes: number };

type Visit = { readonly bytes: number; readonly pass: (leave: () => void) => void };

/**
 * A push to thousands of streams would otherwise hold every response in memory at once. Whoever does not leave within
 * `patience` (a client that does not read) stops counting, so it never keeps the others waiting.
 */
export const newTurnstile = (room: Room, patience: Duration): Turnstile => {
  const queue: Visit[] = [];
  /** Who is inside, oldest first, and since when. */
  const inside = new Map<Visit, number>();
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  const hasRoom = (next: Visit): boolean =>
    inside.size === 0 || (inside.size < room.writes && bytes + next.bytes <= room.bytes);
  const admit = (): void => {
    while (queue[0] !== undefined && hasRoom(queue[0])) {
      const visit = queue.shift() as Visit;
      inside.set(visit, performance.now());
      bytes += visit.bytes;
      visit.pass(() => leave(visit));
    }
    // Only where somebody waits does it matter who stays too long.
    if (queue.length > 0 && timer === undefined) timer = setTimeout(look, patience).unref();
  };
  const leave = (visit: Visit): void => {
    if (!inside.delete(visit)) return;
    bytes -= visit.bytes;
    admit();
  };
  const look = (): void => {
    timer = undefined;
    const now = performance.now();
    for (const [visit, since] of inside) {
      if (now - since < patience) break;
      inside.delete(visit);
      bytes -= visit.bytes;
    }
    admit();
  };
  return {
    enter: (size, pass) => {
      queue.push({ bytes: size, pass });
      admit();
    },
  };
};

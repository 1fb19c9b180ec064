/** Numbers that a seed decides, for drills: the same seed, the same drill. */
export type Dice = {
  /** From 0 to below `sides`. */
  readonly roll: (sides: number) => number;
  readonly chance: (of: number) => boolean;
  readonly pick: <T>(list: readonly [T, ...T[]]) => T;
  readonly bytes: (length: number) => Buffer;
};

/** mulberry32: 32 bits of state are plenty for choosing what to send next. */
export const newDice = (seed: number): Dice => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const roll = (sides: number): number => Math.floor(next() * sides);
  return {
    roll,
    chance: (of) => next() < of,
    pick: (list) => list[roll(list.length)] ?? list[0],
    bytes: (length) => Buffer.from(Array.from({ length }, () => roll(256))),
  };
};

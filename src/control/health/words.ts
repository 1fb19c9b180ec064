import { type Duration, showDuration } from '../../lib/time.ts';

/** More names than this are counted. */
const MOST = 5;

/** `a, b and 3 more` */
export const named = (names: readonly string[]): string => {
  const shown = names.slice(0, MOST).join(', ');
  return names.length > MOST ? `${shown} and ${names.length - MOST} more` : shown;
};

/** `1 sidecar`, `2 sidecars` */
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

export const span = (length: Duration): string => showDuration(Math.max(0, length));

/** What belongs together by a key, in the order in which keys first come. */
export const grouped = <T>(
  items: readonly T[],
  key: (item: T) => string,
): readonly (readonly [string, readonly T[]])[] => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return [...groups];
};

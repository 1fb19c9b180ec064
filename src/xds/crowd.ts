import { isIPv6 } from 'node:net';
import { plainAddress } from '../lib/address.ts';
import type { Duration, Instant } from '../lib/time.ts';

/** A connection that proved nothing yet, and since when it is the client's turn. */
export type Stranger = { readonly source: string; readonly since: Instant };

/** Whose connection it is, as far as an address tells: one host commands a whole /64 of IPv6. */
export const sourceOf = (address: string): string => {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('::');
  const groups = head.split(':');
  // What `::` stands for reaches into the first half if the head is short.
  const last = tail?.split(':') ?? [];
  const missing = Math.max(0, 8 - groups.length - last.length);
  return `${[...groups, ...Array<string>(missing).fill('0'), ...last].slice(0, 4).join(':')}::/64`;
};

/**
 * Who has to go so that at most `most` stay: the oldest of each source that has more than an even share. Nobody goes before
 * the age of `grace`, so a crowd that comes all at once has the time to prove itself. `strangers` are in order of age.
 */
export const leastWelcome = <S extends Stranger>(
  strangers: readonly S[],
  most: number,
  grace: Duration,
  now: Instant,
): readonly S[] => {
  let over = strangers.length - most;
  if (over <= 0) return [];
  const counts = new Map<string, number>();
  for (const { source } of strangers) counts.set(source, (counts.get(source) ?? 0) + 1);
  const share = Math.floor(most / counts.size);
  return strangers.filter(({ source, since }) => {
    const count = counts.get(source) ?? 0;
    if (over <= 0 || count <= share || now - since < grace) return false;
    counts.set(source, count - 1);
    over -= 1;
    return true;
  });
};

/** A set that knows how many of its members come from each source. */
export type Crowd<M> = Iterable<M> & {
  readonly size: () => number;
  /** Puts it last. */
  readonly add: (member: M) => void;
  readonly delete: (member: M) => void;
  /** Would one more of this source be no more than an even share of `most`? */
  readonly hasRoomFor: (source: string, most: number) => boolean;
};

export const newCrowd = <M extends { readonly source: string }>(): Crowd<M> => {
  const members = new Set<M>();
  const counts = new Map<string, number>();
  const remove = (member: M): void => {
    if (!members.delete(member)) return;
    const left = (counts.get(member.source) ?? 1) - 1;
    if (left === 0) counts.delete(member.source);
    else counts.set(member.source, left);
  };
  return {
    size: () => members.size,
    add: (member) => {
      remove(member);
      members.add(member);
      counts.set(member.source, (counts.get(member.source) ?? 0) + 1);
    },
    delete: remove,
    hasRoomFor: (source, most) => {
      const count = counts.get(source) ?? 0;
      return (count + 1) * (counts.size + (count === 0 ? 1 : 0)) <= most;
    },
    [Symbol.iterator]: () => members.values(),
  };
};

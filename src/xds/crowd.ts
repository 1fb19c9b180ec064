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

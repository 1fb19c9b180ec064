import { readJournal } from '../../ca/caDocument.ts';
import { issuedAt } from '../../ca/renewal.ts';
import type { Store } from '../../lib/store.ts';
import type { Instant } from '../../lib/time.ts';
import type { X509Svid } from '../../spiffe/svid.ts';
import type { JoinTokens } from '../joinTokens.ts';
import { decodeJson, PROBE_KEY } from '../keys.ts';

/**
 * The newest moment that the data directory tells of: the last line of the authority's journal, certificates that were issued, tokens that were made,
 * instances that were seen, and the last write that somebody asked `/readyz` for. A clock that says less was set back.
 */
export const lastKnown = (store: Store, tokens: JoinTokens, svids: readonly X509Svid[]): Instant | undefined => {
  const probe = decodeJson<{ readonly at: Instant }>(store.get(PROBE_KEY));
  const moments = [
    ...(probe === undefined ? [] : [probe.at]),
    ...readJournal(store, 'ca/mesh').map(({ at }) => at),
    ...svids.map(issuedAt),
    ...tokens.list().map(({ createdAt }) => createdAt),
    ...tokens.claims().map(({ lastSeen }) => lastSeen),
  ];
  return moments.length === 0 ? undefined : moments.reduce((a, b) => Math.max(a, b));
};

import { X509Certificate } from 'node:crypto';
import type { Instant } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { splitChain } from './der.ts';
import type { MeshState } from './meshState.ts';
import { trusted } from './slots.ts';

const isValid = ({ validFrom, validTo }: X509Certificate, now: Instant): boolean =>
  Date.parse(validFrom) <= now && now < Date.parse(validTo);

/**
 * Whether the leaf is signed by the CAs that it carries, and the last of them, or the leaf itself, by a root that is
 * trusted. A CA that is revoked vouches for nothing; one that is not held any more does, as long as its root is.
 */
export const vouches = (svid: X509Svid, state: MeshState, now: Instant): boolean => {
  try {
    const chain = splitChain(svid.chainPem).map((part) => new X509Certificate(part));
    const revoked = state.intermediates.filter((slot) => slot.state === 'revoked');
    const last = chain.at(-1);
    const root = trusted(state.roots).find(({ certificate: { publicKey } }) => last?.verify(publicKey));
    return (
      root !== undefined &&
      chain.slice(1).every((ca, at) => {
        const isRevoked = revoked.some(({ certificate }) => certificate.raw.equals(ca.raw));
        return ca.ca && !isRevoked && isValid(ca, now) && chain[at]?.verify(ca.publicKey);
      })
    );
  } catch {
    return false;
  }
};

import { X509Certificate } from 'node:crypto';
import type { Instant } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import { readCa } from './caCertificate.ts';
import { type MeshState, rootOf } from './meshState.ts';
import { allNames } from './names.ts';
import { openSslReads } from './sign.ts';
import { slotOf, trusted } from './slots.ts';

/**
 * Whether the leaf is signed by the intermediate that it carries, and that by a root that is trusted. An intermediate that
 * is revoked vouches for nothing; one that is not held any more does, as long as its root is.
 */
export const vouches = (svid: X509Svid, state: MeshState, now: Instant): boolean => {
  const [leaf, above, ...more] = svid.chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  if (leaf === undefined || above === undefined || more.length > 0) return false;
  try {
    const issuer = readCa('intermediate', above, allNames(state));
    const root = rootOf(trusted(state.roots), issuer);
    const held = state.intermediates.find((slot) => slotOf(slot) === issuer.facts.serial);
    if (root === undefined || held?.state === 'revoked') return false;
    openSslReads(issuer.raw, root.certificate.publicKey);
    openSslReads(new X509Certificate(leaf).raw, issuer.publicKey);
    return issuer.notBefore <= now && now < issuer.notAfter;
  } catch {
    return false;
  }
};

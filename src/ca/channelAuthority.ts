import type { Curve } from '../features/certificates/spec.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { controlPlaneId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority } from './authority.ts';
import type { CaKeyPair } from './caCertificate.ts';
import { type Leaf, leafIssuer } from './leaf.ts';

/** Life of the control plane's own certificate. */
export const SERVER_LIFE: Duration = 90 * 86_400_000;

const isFresh = (leaf: Leaf, now: Instant): boolean =>
  now >= leaf.notBefore && now < (leaf.notBefore + leaf.notAfter) / 2;

/**
 * The channel CA. The control plane's certificate is made anew at each start and not stored: bootstraps pin the anchor
 * and the name, not the certificate, so a stored key would only be one more that can leak.
 */
export const channelAuthority = (trustDomain: TrustDomain, curve: () => Curve, anchor: CaKeyPair): ChannelAuthority => {
  const leaves = leafIssuer(anchor);
  let held: Leaf | undefined;
  return Object.freeze({
    anchor: () => anchor.certificate.pem,
    serverCredentials: (now: Instant) => {
      if (held === undefined || !isFresh(held, now)) {
        held = leaves.issue({ id: controlPlaneId(trustDomain), use: 'server', ttl: SERVER_LIFE, now }, curve());
      }
      return { chainPem: held.certificatePem, keyPem: held.keyPem, notAfter: held.notAfter };
    },
    describe: () => anchor.certificate.facts,
  });
};

import type { Secret } from '../lib/secret.ts';
import type { Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from './spiffeId.ts';

/** An X.509-SVID with its key. https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md */
export type X509Svid = {
  readonly id: SpiffeId;
  /** PEM, leaf first, then the intermediates; never the root. */
  readonly chainPem: string;
  /** PKCS#8 PEM. */
  readonly keyPem: Secret;
  /** Lower-case hex without leading zeros of a sign byte. */
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
};

/** The roots that vouch for one trust domain, and for no other. */
export type TrustBundle = {
  readonly trustDomain: TrustDomain;
  /** One PEM certificate each, oldest first. */
  readonly authorities: readonly string[];
};

/** Whose certificates are believed: the mesh's own names, which share its roots, and the trust domains that it trusts. */
export type TrustBundles = {
  /** The mesh's own trust domain first, then its aliases. */
  readonly own: readonly TrustBundle[];
  readonly foreign: readonly TrustBundle[];
};

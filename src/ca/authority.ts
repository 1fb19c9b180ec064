import type { Secret } from '../lib/secret.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';

/** The mesh's certificate authority: one root, one issuing intermediate, leaves for workloads. */
export type Authority = {
  readonly trustBundle: () => TrustBundle;
  /** A new key and a certificate for it, validated before it leaves. Never outlives its issuer. */
  readonly issue: (id: SpiffeId, ttl: Duration, now: Instant) => X509Svid;
  readonly describe: () => AuthorityStatus;
};

/** An authority that keeps itself able to issue: what the SVID keeper asks before it issues and when it reads. */
export type IssuingAuthority = Authority & {
  /**
   * To be awaited before `issue`: signs the next intermediate when the present one is past half of its life or could not
   * cover a leaf of `ttl`, and commits it before it is used.
   */
  readonly prepare: (ttl: Duration, now: Instant) => Promise<void>;
  /** Whether a stored SVID chains to the present root by an intermediate that has not expired. */
  readonly vouchesFor: (svid: X509Svid, now: Instant) => boolean;
};

export type AuthorityStatus = {
  readonly trustDomain: TrustDomain;
  readonly root: CertificateFacts;
  readonly intermediate: CertificateFacts;
};

export type CertificateFacts = {
  readonly subject: string;
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
};

/** The channel CA: anchors the stream between sidecars and Signet, and nothing else. */
export type ChannelAuthority = {
  /** PEM, for every bootstrap. */
  readonly anchor: () => string;
  /** The control plane's own certificate and key for its TLS listener. Names it by `spiffe://TD/signet/control-plane`. */
  readonly serverCredentials: (now: Instant) => {
    readonly chainPem: string;
    readonly keyPem: Secret;
    readonly notAfter: Instant;
  };
  readonly describe: () => CertificateFacts;
};

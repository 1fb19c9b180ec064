import type { Instant } from '../lib/time.ts';

/**
 * The life of a CA: `prepared` is trusted and does not sign yet, `active` signs, `old` is trusted and signs no more,
 * `tainted` is trusted for as long as leaves of it are replaced because somebody else may have its key, `revoked` is
 * trusted no more and stays as the record of that.
 */
export type SlotState = 'prepared' | 'active' | 'old' | 'tainted' | 'revoked';

export type CertificateFacts = {
  readonly subject: string;
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  /** SHA-256 of the DER, lower-case hex. */
  readonly fingerprint: string;
};

export type SlotFacts = CertificateFacts & {
  readonly kind: 'root' | 'intermediate' | 'channel';
  readonly state: SlotState;
  /** Since when it is in this state; 0 if that was not recorded. */
  readonly since: Instant;
  /** Serial of the root that signed it; its own for a root. */
  readonly root: string;
};

/** Serials of the CAs above a leaf; `root` is empty where it is not held any more. */
export type Issuers = { readonly root: string; readonly intermediate: string };

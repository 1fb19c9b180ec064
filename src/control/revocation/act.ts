import type { IssuedCertificate } from '../../ca/issued.ts';
import type { Instant } from '../../lib/time.ts';

/** One revocation, as it is kept: what was asked for, and everything that it revoked. */
export type RevocationAct = {
  readonly act: string;
  readonly at: Instant;
  /** A serial or a SPIFFE ID. */
  readonly what: string;
  readonly reason: string | undefined;
  readonly certificates: readonly IssuedCertificate[];
  /** Ids of the join tokens that went with the identity. */
  readonly tokens: readonly string[];
};

/** Why nothing was revoked, in one sentence. */
export type RevokeRefusal = {
  readonly code:
    | 'unknown_certificate'
    | 'ambiguous_certificate'
    | 'unknown_identity'
    | 'ambiguous_identity'
    | 'nothing_to_revoke'
    | 'invalid_request';
  readonly message: string;
};

import type { Duration, Instant } from '../../lib/time.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';

/** A certificate that nobody is to take any more. */
export type RevokedCertificate = {
  readonly id: SpiffeId;
  /** SHA-256 of its DER, lower-case hex. */
  readonly digest: string;
  readonly notAfter: Instant;
};

/** Clocks of servers that go slow, and the drain of a connection that has reached its age. */
const MARGIN: Duration = 60_000;

/**
 * When a digest may leave the servers' lists. Not when the certificate ends: a connection that was made with it just before
 * may live for `ttl` longer (`max_connection_duration`), and would be admitted again. By a clock that can be relied on: time alone,
 * or a clock that is set, never lets anybody in again.
 */
export const leavesAt = ({ notAfter }: Pick<RevokedCertificate, 'notAfter'>, ttl: Duration): Instant =>
  notAfter + ttl + MARGIN;

/** How long a certificate and the connections that it made can live in all. */
export const livesOf = (ttl: Duration): Duration => leavesAt({ notAfter: ttl }, ttl);

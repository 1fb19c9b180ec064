import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { ClientCertificate } from '../spiffe/clientCertificate.ts';
import type { Peer, Refusal } from './events.ts';
import type { Call } from './grpc/call.ts';
import { provenCertificate } from './provenCertificate.ts';

/** What a call proves about itself before a byte of it is read. */
export type CallCredentials = {
  /** The one `authorization` of its metadata. */
  readonly authorization?: string;
  /** Proven by the handshake and valid now; a call that shows any other is refused before it comes here. */
  readonly certificate?: ClientCertificate;
  /** `x-forwarded-for` and its like are the client's own words and are not looked at. */
  readonly peer: Peer;
};

/** What the call shows; a certificate that is not good is a refusal, whatever else is shown with it. */
export const credentialsOf = (
  { authorization, connection, socket }: Pick<Call, 'authorization' | 'connection' | 'socket'>,
  now: Instant,
): Result<CallCredentials, Refusal> => {
  const proven = provenCertificate(socket, now);
  if (!proven.ok) return unproven(proven.error);
  const [only, ...more] = authorization;
  if (more.length > 0) return unproven('the call has more than one authorization');
  return ok({
    ...(only === undefined ? {} : { authorization: only }),
    ...(proven.value === undefined ? {} : { certificate: proven.value }),
    peer: connection.peer,
  });
};

const unproven = (message: string): Result<never, Refusal> => err({ code: 'unauthenticated', message });

import type { ServerUnaryCall } from '@grpc/grpc-js';
import { plainAddress } from '../lib/address.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { ClientCertificate } from '../spiffe/clientCertificate.ts';
import { provenCertificate } from './connection.ts';
import type { Peer, Refusal } from './events.ts';
import type { Call } from './stream.ts';

export type AnyCall = Call | ServerUnaryCall<Buffer, Buffer>;

/** What a call proves about itself before a byte of it is read. */
export type CallCredentials = {
  /** The one `authorization` of its metadata. */
  readonly authorization?: string;
  /** Proven by the handshake and valid now; a call that shows any other is refused before it comes here. */
  readonly certificate?: ClientCertificate;
  readonly peer: Peer;
};

/** What the call shows; a certificate that is not good is a refusal, whatever else is shown with it. */
export const credentialsOf = (call: AnyCall, now: Instant): Result<CallCredentials, Refusal> => {
  const proven = provenCertificate(call, now);
  if (!proven.ok) return unproven(proven.error);
  const authorization = call.metadata.get('authorization');
  const [only] = authorization;
  if (authorization.length > 1) return unproven('the call has more than one authorization');
  return ok({
    ...(only === undefined ? {} : { authorization: String(only) }),
    ...(proven.value === undefined ? {} : { certificate: proven.value }),
    // `x-forwarded-for` and its like are the client's own words and are not looked at.
    peer: peerOf(call),
  });
};

const unproven = (message: string): Result<never, Refusal> => err({ code: 'unauthenticated', message });

/** grpc-js writes `10.0.0.7:41234`, `::1:41234` or `::ffff:10.0.0.7:41234`. */
export const peerOf = (call: AnyCall): Peer => {
  const text = call.getPeer();
  const match = /^(.+):(\d+)$/.exec(text);
  return match === null
    ? { address: text, port: 0 }
    : { address: plainAddress(match[1] ?? ''), port: Number(match[2]) };
};

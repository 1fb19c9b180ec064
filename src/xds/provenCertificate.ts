import type { TLSSocket } from 'node:tls';
import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { type ClientCertificate, readClientCertificate } from '../spiffe/clientCertificate.ts';

/** Did the client show a certificate, good or bad? */
export const showsCertificate = (socket: TLSSocket): boolean => socket.getPeerX509Certificate() !== undefined;

/**
 * The certificate that the client proved by its handshake, judged again at each call: a connection outlives certificates.
 * `undefined` if it showed none; the error says in a sentence why the one that it showed is not good.
 */
export const provenCertificate = (socket: TLSSocket, now: Instant): Result<ClientCertificate | undefined, string> => {
  const shown = socket.getPeerX509Certificate();
  if (shown === undefined) return ok(undefined);
  // Does its chain end in the trust bundle?
  if (!socket.authorized) return err('the client certificate is not one of this mesh, or not valid now');
  return readClientCertificate(shown.raw, now);
};

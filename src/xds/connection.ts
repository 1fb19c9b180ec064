import type { ServerHttp2Stream } from 'node:http2';
import { TLSSocket } from 'node:tls';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { type ClientCertificate, readClientCertificate } from '../spiffe/clientCertificate.ts';

/** A call of any kind, as grpc-js gives it to its handler. */
export type ConnectedCall = Pick<ServerDuplexStream<Buffer, Buffer>, 'getAuthContext'>;

/**
 * grpc-js has no public way from a call to its connection, which is needed for two things that can only make the answer
 * a no: to see a certificate that did not verify, and to close. Without it nothing is served.
 */
const streamOf = (call: ConnectedCall): ServerHttp2Stream => {
  const { call: inner } = call as ConnectedCall & { readonly call?: { readonly stream?: ServerHttp2Stream } };
  if (inner?.stream === undefined) throw new Error('this grpc-js does not say which HTTP/2 stream a call has');
  return inner.stream;
};

/** Did the client show a certificate, good or bad? */
export const showsCertificate = (call: ConnectedCall): boolean => {
  // A proxy by which Node guards the socket of a session.
  const socket: unknown = streamOf(call).session?.socket;
  return socket instanceof TLSSocket && Object.keys(socket.getPeerCertificate()).length > 0;
};

/**
 * The certificate that the client proved by its handshake, judged again at each call: a connection outlives certificates.
 * `undefined` if it showed none; the error says in a sentence why the one that it showed is not good.
 */
export const provenCertificate = (call: ConnectedCall, now: Instant): Result<ClientCertificate | undefined, string> => {
  // Empty unless the chain ends in the trust bundle.
  const raw = call.getAuthContext().sslPeerCertificate?.raw;
  if (raw !== undefined) return readClientCertificate(raw, now);
  return showsCertificate(call)
    ? err('the client certificate is not one of this mesh, or not valid now')
    : ok(undefined);
};

/** The status that this call was ended with on the wire; `undefined` as long as there is none. */
export const sentStatus = (call: ConnectedCall): SentStatus | undefined => statusSentOn(streamOf(call));

export type SentStatus = { readonly code: number; readonly message: string };

/** The same of a call as HTTP/2 knows it. */
export const statusSentOn = ({ sentTrailers, sentHeaders }: ServerHttp2Stream): SentStatus | undefined => {
  // A call that ends before its first response has its status in the headers.
  const last = sentTrailers?.['grpc-status'] === undefined ? sentHeaders : sentTrailers;
  const code = last?.['grpc-status'];
  return code === undefined
    ? undefined
    : { code: Number(code), message: decodeURI(String(last?.['grpc-message'] ?? '')) };
};

/**
 * Has the client come back over a new connection, with the certificate that it has then; calls under way end in their own
 * time. A certificate is proven by a connection: on the old one a new stream would show the old one again.
 */
export const retireConnection = (call: ConnectedCall): void => streamOf(call).session?.close();

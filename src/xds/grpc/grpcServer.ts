import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Slices } from '../../lib/slices.ts';
import type { Connection } from '../connections.ts';
import type { Limits } from '../limits.ts';
import { type Beginning, Call, type CallLimits } from './call.ts';
import { keepAlive } from './keepAlive.ts';
import { STATUS } from './status.ts';

export type GrpcOptions = {
  readonly limits: CallLimits & Pick<Limits, 'streamsPerConnection'>;
  /** Calls begin in these: hundreds can come in one turn. */
  readonly slices: Slices;
  /** A call was answered UNIMPLEMENTED: there is no such method, or its messages are compressed. */
  readonly unserved: (call: Call) => void;
};

/** Serves calls of its methods on the connections that it is given. */
export type GrpcServer = {
  /** `path`: `/package.Service/Method`. Every method is a stream in both directions: those of one message look the same on the wire. */
  readonly serve: (path: string, method: Method) => void;
  readonly enter: (socket: TLSSocket, connection: Connection) => void;
  /** No new calls; resolves when those that are under way, and their connections, have ended. */
  readonly close: () => Promise<void>;
};

export type Method = (call: Call) => void;

/** Without the words of the client: it can make up as many methods as it likes. */
export const UNSERVED = 'this method, or this encoding of it, is not served';

/**
 * gRPC on Node's HTTP/2 (docs/decisions/0012-own-grpc-server.md).
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
export const newGrpcServer = (options: GrpcOptions): GrpcServer => {
  const methods = new Map<string, Method>();
  const sessions = new Set<ServerHttp2Session>();
  let drained: (() => void) | undefined;
  const settings = { maxConcurrentStreams: options.limits.streamsPerConnection };

  const begin = (beginning: Beginning): void => {
    if (!beginsWell(beginning)) return;
    const call = new Call(beginning, options.limits);
    const method = methods.get(call.path);
    if (method !== undefined && !isCompressed(beginning)) {
      method(call);
      return;
    }
    call.end(STATUS.UNIMPLEMENTED, UNSERVED);
    options.unserved(call);
  };
  /** Every call is counted, of unknown methods too: thousands that are opened and reset can come in one turn of the event loop. */
  const come = (beginning: Beginning): void => {
    const { stream, connection } = beginning;
    // A close follows, and says all.
    stream.on('error', () => {});
    if (!connection.called()) return;
    const beginIfItLasts = (): void => {
      // It may be reset by now, and answering it would throw.
      if (!stream.destroyed && !stream.closed) begin(beginning);
    };
    if (options.slices.hasTime()) beginIfItLasts();
    else void options.slices.pause().then(beginIfItLasts);
  };
  return {
    serve: (path, method) => methods.set(path, method),
    enter: (socket, connection) => {
      const session = performServerHandshake(socket, { settings });
      sessions.add(session);
      session.on('error', () => {});
      session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: string[]) =>
        come({ connection, socket, stream, headers, raw }),
      );
      session.once('close', () => {
        sessions.delete(session);
        if (sessions.size === 0) drained?.();
      });
      keepAlive(session, () => connection.cut('unread'));
    },
    close: () =>
      new Promise((resolve) => {
        drained = resolve;
        for (const session of sessions) session.close();
        if (sessions.size === 0) resolve();
      }),
  };
};

/** `application/grpc-web` is another protocol. */
const GRPC = /^application\/grpc(?:[+;]|$)/i;

/** Is it gRPC at all? What is not, is answered in HTTP. */
const beginsWell = ({ stream, headers }: Beginning): boolean => {
  const isPost = headers[':method'] === 'POST';
  if (isPost && GRPC.test(headers['content-type'] ?? '')) return true;
  stream.respond({ ':status': isPost ? 415 : 405 }, { endStream: true });
  return false;
};

/** 4 KB of gzip are 4 MB of zeros: nobody may have them unpacked here. */
const isCompressed = ({ headers }: Beginning): boolean => (headers['grpc-encoding'] ?? 'identity') !== 'identity';

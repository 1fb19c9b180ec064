import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { invariant } from '../lib/errors.ts';
import { socketPeer } from './connections.ts';

/**
 * Stands between HTTP/2 and grpc-js, which has no public place for it: a private field of the one version that `package.json` names.
 *
 * - Every call is told, of unknown methods too.
 * - Compressed requests are refused: 4 KB of gzip are 4 MB of zeros, and grpc-js unpacks all that one frame holds at once, for
 *   anybody.
 */
export const overhearCalls = (server: Server, called: (peer: string) => void): void => {
  const servers: unknown = Reflect.get(server, 'http2Servers');
  const [http2] = servers instanceof Map ? servers.keys() : [];
  invariant(http2 instanceof EventEmitter, 'grpc-js keeps its HTTP/2 server where it did in 1.14');
  http2.prependListener('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    // It answers UNIMPLEMENTED to an encoding that it does not know.
    if ((headers['grpc-encoding'] ?? 'identity') !== 'identity') headers['grpc-encoding'] = 'refused';
    const socket = stream.session?.socket;
    // Not now: who calls too often is cut, and grpc-js would answer a stream that is gone.
    if (socket !== undefined) setImmediate(called, socketPeer(socket));
  });
};

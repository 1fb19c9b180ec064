import { EventEmitter } from 'node:events';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { type Server, status } from '@grpc/grpc-js';
import { plainAddress } from '../lib/address.ts';
import { invariant } from '../lib/errors.ts';
import type { Slices } from '../lib/slices.ts';
import { statusSentOn } from './connection.ts';
import { socketPeer } from './connections.ts';
import type { Peer } from './events.ts';

/** No credential, whoever reads it. */
const TWO = 'more than one';

type OnStream = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  raw: readonly string[],
) => void;

export type Overheard = {
  /** A call begins; `false`: it goes no further. */
  readonly called: (peer: string) => boolean;
  /** A call was answered UNIMPLEMENTED, whoever said so. */
  readonly unserved: (peer: Peer) => void;
  /** Calls begin in these. */
  readonly slices: Slices;
};

/**
 * Stands between HTTP/2 and grpc-js, which has no public place for it: a private field of the one version that `package.json` names.
 *
 * - Calls begin in slices of time: hundreds can come in one turn, and each has grpc-js make a dozen objects.
 * - Every call is told, of unknown methods too, and goes no further if `called` says no: thousands that are opened and reset can
 *   come in one turn of the event loop.
 * - Of two `authorization` Node drops the second without a word; both stand in what it read.
 * - Compressed requests are refused: 4 KB of gzip are 4 MB of zeros, and grpc-js unpacks all that one frame holds at once, for
 *   anybody.
 * - What is answered UNIMPLEMENTED (a method that is none, polling, a compressed request) comes to no handler of ours.
 */
export const overhearCalls = (server: Server, { called, unserved, slices }: Overheard): void => {
  const servers: unknown = Reflect.get(server, 'http2Servers');
  const [http2] = servers instanceof Map ? servers.keys() : [];
  invariant(http2 instanceof EventEmitter, 'grpc-js keeps its HTTP/2 server where it did in 1.14');
  const [serve, ...others] = http2.listeners('stream') as OnStream[];
  invariant(serve !== undefined && others.length === 0, 'grpc-js hears of a call where it did in 1.14');
  http2.removeAllListeners('stream');
  const onStream: OnStream = (stream, headers, flags, raw) => {
    const socket = stream.session?.socket;
    if (socket === undefined || !called(socketPeer(socket))) {
      stream.on('error', () => {});
      return;
    }
    if (raw.filter((text, at) => at % 2 === 0 && text === 'authorization').length > 1) headers.authorization = TWO;
    // It answers UNIMPLEMENTED to an encoding that it does not know.
    if ((headers['grpc-encoding'] ?? 'identity') !== 'identity') headers['grpc-encoding'] = 'refused';
    const peer = { address: plainAddress(socket.remoteAddress ?? ''), port: socket.remotePort ?? 0 };
    stream.once('close', () => {
      if (statusSentOn(stream)?.code === status.UNIMPLEMENTED) unserved(peer);
    });
    if (slices.hasTime()) return serve(stream, headers, flags, raw);
    // Until it is served nobody listens, and an error that nobody hears ends the process.
    stream.on('error', () => {});
    void slices.pause().then(() => {
      if (!stream.destroyed) serve(stream, headers, flags, raw);
    });
  };
  http2.on('stream', onStream);
};

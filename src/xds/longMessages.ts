import type { ServerHttp2Stream } from 'node:http2';
import type { Call } from './stream.ts';

const PIECE = 64 * 1024;

/**
 * Hands long messages to the transport in pieces, one after the other. Node's TLS keeps for as long as a connection lives a buffer as
 * large as the largest single write on it (`NodeBIO`'s allocation hint): after one push of 1 MB to a thousand streams that would be a
 * gigabyte. grpc-js writes a message as a whole and offers nothing for this, so its HTTP/2 stream is taken from where it stands;
 * `test/unit/xds/longMessages.test.ts` fails if it moves.
 */
export const writeInPieces = (call: Call): void => {
  const stream = http2StreamOf(call);
  if (stream === undefined) return;
  const whole = stream._write.bind(stream);
  stream._write = (message: Buffer, encoding, written) => {
    if (message.length <= PIECE) {
      whole(message, encoding, written);
      return;
    }
    const from = (start: number): void => {
      const end = start + PIECE;
      const next = end < message.length ? (error?: Error | null) => (error ? written(error) : from(end)) : written;
      whole(message.subarray(start, end), encoding, next);
    };
    from(0);
  };
};

const http2StreamOf = (call: Call): ServerHttp2Stream | undefined =>
  (call as unknown as { readonly call?: { readonly stream?: ServerHttp2Stream } }).call?.stream;

import { connect, createServer, type Socket } from 'node:net';
import type { HostPort } from '../../src/lib/hostPort.ts';

/** Somebody in the middle of a wire who writes down every byte. */
export type Relay = {
  /** One entry per connection and direction. */
  readonly recordings: () => readonly Buffer[];
  readonly stop: () => Promise<void>;
};

export const relay = (at: HostPort, to: HostPort): Promise<Relay> =>
  new Promise((resolve, reject) => {
    const recordings: Buffer[][] = [];
    const sockets = new Set<Socket>();
    const forward = (from: Socket, into: Socket): void => {
      const chunks: Buffer[] = [];
      recordings.push(chunks);
      sockets.add(from);
      from.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        into.write(chunk);
      });
      from.on('end', () => into.end());
      from.on('error', () => into.destroy());
      from.on('close', () => sockets.delete(from));
    };
    const server = createServer((client) => {
      const upstream = connect(to);
      forward(client, upstream);
      forward(upstream, client);
    });
    server.once('error', reject);
    server.listen(at.port, at.host, () =>
      resolve({
        recordings: () => recordings.map((chunks) => Buffer.concat(chunks)),
        stop: () =>
          new Promise((done) => {
            server.close(() => done());
            for (const socket of sockets) socket.destroy();
          }),
      }),
    );
  });

/**
 * The types of the TLS records that a recording consists of, or `undefined` if it is anything else (RFC 8446 §5.1).
 * The last record may be cut short.
 */
export const tlsRecords = (bytes: Buffer): readonly number[] | undefined => {
  const types: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const type = bytes[at] ?? 0;
    const known = type >= 20 && type <= 23;
    if (!known || (bytes[at + 1] ?? 3) !== 3 || (bytes[at + 2] ?? 1) > 3) return undefined;
    if (at + 5 > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > 16_384 + 256) return undefined;
    types.push(type);
    at += 5 + length;
  }
  return types;
};

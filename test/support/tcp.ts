import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostPort } from '../../src/lib/hostPort.ts';

export type Conversation = {
  readonly received: Buffer;
  /** How it ended: by the peer, or because `enough` or the time was reached. */
  readonly end: 'closed' | 'reset' | 'enough' | 'time';
};

/** Sends `bytes` and gathers what comes back, until the peer ends, `enough` bytes came or `timeout` ms went by. */
export const converse = (
  { host, port }: HostPort,
  bytes: string | Buffer,
  { enough = Number.POSITIVE_INFINITY, timeout = 3_000 }: { readonly enough?: number; readonly timeout?: number } = {},
): Promise<Conversation> =>
  new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port });
    const finish = (end: Conversation['end']): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ received: Buffer.concat(chunks), end });
    };
    const timer = setTimeout(() => finish('time'), timeout);
    socket.on('connect', () => bytes.length > 0 && socket.write(bytes));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (Buffer.concat(chunks).length >= enough) finish('enough');
    });
    socket.on('end', () => finish('closed'));
    socket.on('error', () => finish('reset'));
  });

/** A connection that stays. */
export type Line = {
  /** Sends the text and gives what comes back next; rejects when the peer ends first. */
  readonly say: (text: string) => Promise<string>;
  readonly stop: () => Promise<void>;
};

export const openLine = ({ host, port }: HostPort): Line => {
  const socket = connect({ host, port });
  socket.on('end', () => socket.destroy());
  return lineOver(socket);
};

/** A conversation over a connection that stands. */
export const lineOver = (socket: Duplex): Line => {
  socket.on('error', () => socket.destroy());
  return {
    say: (text) =>
      new Promise((resolve, reject) => {
        const gone = (): void => reject(new Error('the line is dead'));
        if (socket.destroyed) return gone();
        socket.once('close', gone);
        socket.once('data', (chunk: Buffer) => {
          socket.off('close', gone);
          resolve(chunk.toString());
        });
        socket.write(text);
      }),
    stop: async () => void socket.destroy(),
  };
};

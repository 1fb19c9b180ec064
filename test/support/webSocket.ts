import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HostPort } from '../../src/lib/hostPort.ts';

/** An upgraded connection to an app that echoes: one long stream through everything between. */
export type WebSocketTalk = {
  /** Sends the text and gives what comes back. Rejects when the connection is gone. */
  readonly say: (text: string) => Promise<string>;
  readonly stop: () => Promise<void>;
};

const HEADERS = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

export const webSocket = (at: HostPort, host: string): Promise<WebSocketTalk> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ ...at, agent: false, headers: { ...HEADERS, host }, path: '/socket' });
    request.on('upgrade', (_message, socket) => resolve(talk(socket)));
    request.on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}, no upgrade`)));
    request.on('error', reject);
    request.end();
  });

const talk = (socket: Duplex): WebSocketTalk => {
  socket.on('error', () => socket.destroy());
  return {
    say: (text) =>
      new Promise((resolve, reject) => {
        const gone = (): void => reject(new Error('the connection is gone'));
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

import { request as httpRequest } from 'node:http';
import type { HostPort } from '../../src/lib/hostPort.ts';
import { type Line, lineOver } from './tcp.ts';

const HEADERS = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

/** An upgraded connection to an app that echoes: one long stream through everything between. */
export const webSocket = (at: HostPort, host: string): Promise<Line> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({ ...at, agent: false, headers: { ...HEADERS, host }, path: '/socket' });
    request.on('upgrade', (_message, socket) => resolve(lineOver(socket)));
    request.on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}, no upgrade`)));
    request.on('error', reject);
    request.end();
  });

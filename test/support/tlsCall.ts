import { Agent } from 'node:http';
import { connect } from 'node:tls';
import type { HostPort } from '../../src/lib/hostPort.ts';
import { type Answer, type Call, call } from './http.ts';

/** What is shown in the handshake: PEM, leaf first. */
export type Shown = { readonly chainPem: string; readonly keyPem: string };

const tlsOf = ({ chainPem, keyPem }: Shown) =>
  // Whoever answers is not what these tests are about.
  ({ cert: chainPem, key: keyPem, rejectUnauthorized: false, minVersion: 'TLSv1.3' }) as const;

/** One call over mTLS with a certificate by hand. Rejects where the handshake fails. */
export const tlsCall = (at: HostPort, shown: Shown, what: Call = {}): Promise<Answer> => {
  const agent = Object.assign(new Agent(), { createConnection: () => connect({ ...at, ...tlsOf(shown) }) });
  return call(at, { host: 'orders', ...what, agent }).finally(() => agent.destroy());
};

/** Sends text over mTLS and gives what comes back first; `undefined` where the peer ends without a word. */
export const tlsSay = (at: HostPort, shown: Shown, text: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ ...at, ...tlsOf(shown) });
    const finish = (answer: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), 5_000);
    socket.on('secureConnect', () => socket.write(text));
    socket.on('data', (chunk: Buffer) => finish(chunk.toString()));
    socket.on('error', () => finish(undefined));
    socket.on('end', () => finish(undefined));
  });

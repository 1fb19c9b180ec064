import { Duplex } from 'node:stream';
import { connect, createServer } from 'node:tls';
import { messageOf } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import { reveal, type Secret } from '../../lib/secret.ts';
import type { Duration } from '../../lib/time.ts';

/** Two ends of a wire that exists in memory alone. */
const wire = (): readonly [Duplex, Duplex] => {
  const ends: Duplex[] = [];
  const end = (other: number): Duplex =>
    new Duplex({
      read: () => {},
      write: (chunk, _encoding, done) => {
        ends[other]?.push(chunk);
        done();
      },
      final: (done) => {
        ends[other]?.push(null);
        done();
      },
    });
  ends.push(end(1), end(0));
  return [ends[0] as Duplex, ends[1] as Duplex];
};

const PATIENCE: Duration = 5_000;

/**
 * A handshake over mutual TLS 1.3 in memory, both sides with this leaf: OpenSSL's judgement of the whole chain for both
 * purposes, beside that of the own reader. `undefined` if it went well, else OpenSSL's words. OpenSSL reads a clock of its
 * own here, so times are the own reader's to judge.
 */
export const trialHandshake = async (chainPem: string, key: Secret, rootPem: string): Promise<string | undefined> => {
  const own = {
    cert: chainPem,
    key: reveal(key),
    ca: rootPem,
    minVersion: 'TLSv1.3',
    rejectUnauthorized: true,
  } as const;
  const server = createServer({ ...own, requestCert: true });
  const [near, far] = wire();
  const client = connect({ ...own, socket: far, checkServerIdentity: () => undefined });
  let timer: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error('the trial handshake did not end')), PATIENCE);
      client.on('error', reject);
      server.on('tlsClientError', reject);
      // The server's side is done when it has verified the client's certificate, which is the last thing in TLS 1.3.
      server.on('secureConnection', () => resolve());
      server.emit('connection', near);
    });
    return undefined;
  } catch (thrown) {
    const words = messageOf(thrown);
    return /not yet valid|has expired/.test(words) ? undefined : printable(words).slice(0, 200);
  } finally {
    clearTimeout(timer);
    client.destroy();
    near.destroy();
  }
};

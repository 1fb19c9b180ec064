import type { ServerHttp2Session } from 'node:http2';
import type { Duration } from '../../lib/time.ts';

const EVERY: Duration = 30_000;
const WITHIN: Duration = 20_000;

/**
 * Pings the peer now and then: one that vanished without a FIN is found after a minute at most, and `cut`. To destroy the session would not
 * do: that waits until the peer has read what is being written. A session that closes cannot be pinged, and its calls may take their time.
 */
export const keepAlive = (session: ServerHttp2Session, cut: () => void, every = EVERY, within = WITHIN): void => {
  let timer = setTimeout(() => ping(), every).unref();
  const answered = (error: Error | null): void => {
    clearTimeout(timer);
    if (error === null) timer = setTimeout(ping, every).unref();
    else if (!session.closed) cut();
  };
  const ping = (): void => {
    if (session.destroyed || session.closed) return;
    timer = setTimeout(cut, within).unref();
    if (!session.ping(answered)) cut();
  };
  session.once('close', () => clearTimeout(timer));
};

import type { ServerHttp2Session } from 'node:http2';
import type { Duration } from '../../lib/time.ts';

const EVERY: Duration = 30_000;
const WITHIN: Duration = 20_000;

/** Pings the peer now and then: one that vanished without a FIN is found after a minute at most, and its connection ends. */
export const keepAlive = (session: ServerHttp2Session, every = EVERY, within = WITHIN): void => {
  let timer = setTimeout(() => ping(), every).unref();
  const ping = (): void => {
    if (session.destroyed) return;
    timer = setTimeout(() => session.destroy(), within).unref();
    const isUnderWay = session.ping((error) => {
      clearTimeout(timer);
      if (error === null) timer = setTimeout(ping, every).unref();
      else session.destroy();
    });
    if (!isUnderWay) session.destroy();
  };
  session.once('close', () => clearTimeout(timer));
};

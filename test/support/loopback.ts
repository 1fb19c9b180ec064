import { createServer, type Server } from 'node:net';

/** A part of 127.0.0.0/8 that no other test of this machine uses at the same time. */
export type Loopback = {
  /** `127.X.0.LAST` */
  readonly address: (last: number) => string;
  readonly release: () => Promise<void>;
};

const LOCK_PORT = 27_999;

const listen = (host: string, port: number): Promise<Server | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host, port, exclusive: true }, () => resolve(server));
  });

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** Takes a free /16 and holds it by a listening socket, which the kernel releases whatever happens to this process. */
export const claimLoopback = async (): Promise<Loopback> => {
  const first = 20 + Math.floor(Math.random() * 200);
  for (let step = 0; step < 200; step++) {
    const slot = 20 + ((first - 20 + step) % 200);
    const lock = await listen(`127.${slot}.255.254`, LOCK_PORT);
    if (lock === undefined) continue;
    return { address: (last) => `127.${slot}.0.${last}`, release: () => close(lock) };
  }
  throw new Error('no part of 127.0.0.0/8 is free');
};

/** A port on `host` that was free a moment ago. */
export const freePort = async (host = '127.0.0.1'): Promise<number> => {
  const server = await listen(host, 0);
  const address = server?.address();
  if (server === undefined || typeof address !== 'object' || address === null) throw new Error(`no port on ${host}`);
  await close(server);
  return address.port;
};

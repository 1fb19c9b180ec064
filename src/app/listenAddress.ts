import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { AppError, messageOf } from '../lib/errors.ts';
import type { HostPort } from '../lib/hostPort.ts';

export type ListenAddress = {
  /** Where to bind. */
  readonly bind: HostPort;
  /** The name that sidecars are told; `undefined` for all addresses, which is none. */
  readonly told: string | undefined;
};

/**
 * Where to listen by what the operator wrote. A name is bound at the address that it has, and told as it was written.
 * @throws AppError `listen_failed` if the name has no address.
 */
export const listenAddress = async ({ host, port }: HostPort): Promise<ListenAddress> => {
  if (isIP(host) !== 0) return { bind: { host, port }, told: /^(0\.0\.0\.0|[0:]+)$/.test(host) ? undefined : host };
  try {
    const { address } = await lookup(host);
    return { bind: { host: address, port }, told: host };
  } catch (error) {
    throw new AppError('listen_failed', `${host} has no address here (${messageOf(error)})`, { cause: error });
  }
};

import { isIP } from 'node:net';

/**
 * An IP address as it is compared and told: `::ffff:10.0.0.1`, by which a dual-stack socket shows an IPv4 peer, is `10.0.0.1`, and
 * a zone (`fe80::1%eth0`), which means something on one host only, is left out.
 */
export const plainAddress = (address: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return mapped ?? address.replace(/%.*$/, '');
};

/**
 * Is it loopback, in its plain spelling? For what is allowed there alone: other spellings of the same address (`::ffff:7f00:1`) are
 * refused with the rest. A name is no address: `localhost` is for the caller to judge.
 */
export const isPlainLoopback = (address: string): boolean =>
  address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));

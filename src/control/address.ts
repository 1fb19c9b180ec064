import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../lib/address.ts';
import { err, ok, type Result } from '../lib/result.ts';

const block = (...subnets: readonly (readonly [string, number])[]): BlockList => {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 6 ? 'ipv6' : 'ipv4');
  return list;
};

const LOOPBACK = block(['127.0.0.0', 8], ['::1', 128]);
const LINK_LOCAL = block(['169.254.0.0', 16], ['fe80::', 10]);
/** Multicast, broadcast and unspecified: no instance can be called there, wherever it comes from. */
const NOWHERE = block(['0.0.0.0', 8], ['224.0.0.0', 4], ['255.255.255.255', 32], ['::', 128], ['ff00::', 8]);

const holds = (list: BlockList, ip: string): boolean => list.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4');

/**
 * An IPv4 address that is in none of these lists, by its first number alone. To ask a list makes an object for the address, and
 * every sidecar that joins would ask three.
 */
const isOrdinary = (ip: string): boolean => {
  const first = isIP(ip) === 4 ? Number(ip.slice(0, ip.indexOf('.'))) : 0;
  return first > 0 && first < 224 && first !== 127 && first !== 169;
};

/** Where a sidecar that asks for no address listens: all addresses of the kind by which it is called. */
export const everyAddress = (peer: string): string => (isIP(plainAddress(peer)) === 6 ? '::' : '0.0.0.0');

/** In every spelling, for it is what is refused. */
const isLoopback = (address: string): boolean => isIP(address) !== 0 && holds(LOOPBACK, address);

/**
 * The address that callers are told for an instance: what it asks for, else where its stream comes from. An address
 * that means something else on every host (loopback, link-local) is good only where the whole mesh is on one host.
 */
export const registeredAddress = (asked: string | undefined, peer: string): Result<string, string> => {
  const address = plainAddress(asked ?? peer);
  // A zone names an interface of one host.
  if (isIP(address) === 0 || asked?.includes('%') === true)
    return err(`the address ${JSON.stringify(asked)} is no IP address`);
  if (isOrdinary(address)) return ok(address);
  if (holds(NOWHERE, address)) return err(`nobody can be called at ${address}`);
  if ((isLoopback(address) || holds(LINK_LOCAL, address)) && !isLoopback(plainAddress(peer))) {
    return err(`${address} is a loopback or link-local address, which callers on other hosts cannot reach`);
  }
  return ok(address);
};

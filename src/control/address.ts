import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../lib/address.ts';
import { err, ok, type Result } from '../lib/result.ts';

/** `nowhere`: multicast, broadcast and unspecified, where no instance can be called, wherever it comes from. */
type Reach = 'host' | 'loopback' | 'link-local' | 'nowhere';

const block = (...subnets: readonly (readonly [string, number])[]): BlockList => {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 6 ? 'ipv6' : 'ipv4');
  return list;
};

// Both kinds in each: an IPv6 address may be an IPv4 one in another spelling.
const LISTS: readonly (readonly [Reach, BlockList])[] = [
  ['nowhere', block(['0.0.0.0', 8], ['224.0.0.0', 4], ['255.255.255.255', 32], ['::', 128], ['ff00::', 8])],
  ['loopback', block(['127.0.0.0', 8], ['::1', 128])],
  ['link-local', block(['169.254.0.0', 16], ['fe80::', 10])],
];

/** In every spelling, for what it says is refused. */
const reachOf = (ip: string): Reach => {
  // By hand: each question to a list makes objects in and outside of the heap, and every sidecar that comes has some.
  if (isIP(ip) === 4) return reachOfIpv4(ip);
  return LISTS.find(([, list]) => list.check(ip, 'ipv6'))?.[0] ?? 'host';
};

const reachOfIpv4 = (ip: string): Reach => {
  const first = Number(ip.slice(0, ip.indexOf('.')));
  if (first === 0 || (first >= 224 && first <= 239) || ip === '255.255.255.255') return 'nowhere';
  if (first === 127) return 'loopback';
  return ip.startsWith('169.254.') ? 'link-local' : 'host';
};

/** Where a sidecar that asks for no address listens: all addresses of the kind by which it is called. */
export const everyAddress = (peer: string): string => (isIP(plainAddress(peer)) === 6 ? '::' : '0.0.0.0');

const isLoopback = (address: string): boolean => isIP(address) !== 0 && reachOf(address) === 'loopback';

/**
 * The address that callers are told for an instance: what it asks for, else where its stream comes from. An address
 * that means something else on every host (loopback, link-local) is good only where the whole mesh is on one host.
 */
export const registeredAddress = (asked: string | undefined, peer: string): Result<string, string> => {
  const address = plainAddress(asked ?? peer);
  // A zone names an interface of one host.
  if (isIP(address) === 0 || asked?.includes('%') === true)
    return err(`the address ${JSON.stringify(asked)} is no IP address`);
  const reach = reachOf(address);
  if (reach === 'nowhere') return err(`nobody can be called at ${address}`);
  if (reach !== 'host' && !isLoopback(plainAddress(peer))) {
    return err(`${address} is a loopback or link-local address, which callers on other hosts cannot reach`);
  }
  return ok(address);
};

import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../lib/address.ts';
import { err, ok, type Result } from '../lib/result.ts';

const block = (...subnets: readonly (readonly [string, number])[]): BlockList => {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, isIP(net) === 6 ? 'ipv6' : 'ipv4');
  return list;
};

type Kind = 'loopback' | 'link-local' | 'nowhere' | 'ordinary';

// They also hold the spellings of IPv4 as IPv6 (`::ffff:7f00:1`).
const LOOPBACK = block(['127.0.0.0', 8], ['::1', 128]);
const LINK_LOCAL = block(['169.254.0.0', 16], ['fe80::', 10]);
/** Multicast, broadcast and unspecified: no instance can be called there, wherever it comes from. */
const NOWHERE = block(['0.0.0.0', 8], ['224.0.0.0', 4], ['255.255.255.255', 32], ['::', 128], ['ff00::', 8]);

/** The same by its first numbers: to ask a list makes an object for the address, and every sidecar that joins would ask three. */
const kindOfIpv4 = (ip: string): Kind => {
  const [first = 0, second] = ip.split('.', 2).map(Number);
  if (first === 127) return 'loopback';
  if (first === 169 && second === 254) return 'link-local';
  const isMulticast = first >= 224 && first < 240;
  return first === 0 || isMulticast || ip === '255.255.255.255' ? 'nowhere' : 'ordinary';
};

/** In every spelling, for it is what is refused. What is no address is nowhere. */
const kindOf = (ip: string): Kind => {
  const version = isIP(ip);
  if (version === 4) return kindOfIpv4(ip);
  const isIn = (list: BlockList): boolean => list.check(ip, 'ipv6');
  if (version === 0 || isIn(NOWHERE)) return 'nowhere';
  return isIn(LOOPBACK) ? 'loopback' : isIn(LINK_LOCAL) ? 'link-local' : 'ordinary';
};

/** Where a sidecar that asks for no address listens: all addresses of the kind by which it is called. */
export const everyAddress = (peer: string): string => (isIP(plainAddress(peer)) === 6 ? '::' : '0.0.0.0');

/**
 * The address that callers are told for an instance: what it asks for, else where its stream comes from. An address
 * that means something else on every host (loopback, link-local) is good only where the whole mesh is on one host.
 */
export const registeredAddress = (asked: string | undefined, peer: string): Result<string, string> => {
  const address = plainAddress(asked ?? peer);
  // A zone names an interface of one host.
  if (isIP(address) === 0 || asked?.includes('%') === true)
    return err(`the address ${JSON.stringify(asked)} is no IP address`);
  const kind = kindOf(address);
  if (kind === 'nowhere') return err(`nobody can be called at ${address}`);
  if (kind !== 'ordinary' && kindOf(plainAddress(peer)) !== 'loopback') {
    return err(`${address} is a loopback or link-local address, which callers on other hosts cannot reach`);
  }
  return ok(address);
};

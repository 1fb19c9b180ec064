import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import fc from 'fast-check';
import { registeredAddress } from '../../../src/control/address.ts';

const listOf = (...subnets: readonly (readonly [string, number])[]): BlockList => {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, 'ipv4');
  return list;
};

describe('the address that callers are told', () => {
  const refused = (asked: string, peer: string): string | undefined => {
    const told = registeredAddress(asked, peer);
    return told.ok ? undefined : told.error;
  };

  it('is none where nobody can be called, and none of one host but from that host, for every IPv4 address', () => {
    const nowhere = listOf(['0.0.0.0', 8], ['224.0.0.0', 4], ['255.255.255.255', 32]);
    const local = listOf(['127.0.0.0', 8], ['169.254.0.0', 16]);
    const octet = fc.oneof(fc.constantFrom(0, 126, 127, 128, 168, 169, 223, 224, 239, 240, 254, 255), fc.nat(255));
    fc.assert(
      fc.property(fc.tuple(octet, octet, octet, octet), (octets) => {
        const ip = octets.join('.');
        const [isNowhere, isLocal] = [nowhere.check(ip), local.check(ip)];
        assert.equal(refused(ip, '192.0.2.1') !== undefined, isNowhere || isLocal, ip);
        assert.equal(refused(ip, '127.0.0.1') !== undefined, isNowhere, ip);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is judged alike in every spelling of IPv6', () => {
    for (const [ip, isRefused] of [
      ['::1', true],
      ['0:0::0:1', true],
      ['fe80::1', true],
      ['febf::1', true],
      ['ff02::1', true],
      ['::', true],
      ['::ffff:127.0.0.1', true],
      ['2001:db8::1', false],
      ['fec0::1', false],
    ] as const)
      assert.equal(refused(ip, '2001:db8::2') !== undefined, isRefused, ip);
    assert.equal(refused('::1', '::1'), undefined);
    assert.equal(refused('fe80::1', '127.0.0.1'), undefined);
    assert.equal(refused('ff02::1', '::1'), 'nobody can be called at ff02::1');
  });
});

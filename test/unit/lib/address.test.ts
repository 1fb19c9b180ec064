import assert from 'node:assert/strict';
import { isPlainLoopback, plainAddress } from '../../../src/lib/address.ts';

describe('an address', () => {
  it('is plain loopback in one spelling only', () => {
    for (const address of ['127.0.0.1', '127.9.8.7', '::1']) assert.ok(isPlainLoopback(address), address);
    for (const address of ['10.0.0.1', '::', '::ffff:7f00:1', '::ffff:127.0.0.1', 'localhost', '127.0.0.1.x', ''])
      assert.ok(!isPlainLoopback(address), address);
  });

  it('of IPv4 that a dual-stack socket shows is told as IPv4, and loses its zone', () => {
    assert.equal(plainAddress('::ffff:10.0.0.7'), '10.0.0.7');
    assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1');
    assert.equal(plainAddress('2001:db8::1'), '2001:db8::1');
  });
});

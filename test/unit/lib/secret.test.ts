import assert from 'node:assert/strict';
import { inspect, isDeepStrictEqual } from 'node:util';
import { describe, it } from 'mocha';
import { reveal, type Secret, secret } from '../../../src/lib/secret.ts';

describe('a secret', () => {
  const box = secret('hunter2');

  it('gives its text to reveal alone', () => {
    assert.equal(reveal(box), 'hunter2');
    assert.equal(reveal(secret('other')), 'other');
    for (const seen of [`${box}`, String(box), inspect(box), inspect({ box }), inspect(box, { showHidden: true })])
      assert.ok(!seen.includes('hunter2') && seen.includes('[redacted]'), seen);
    assert.throws(() => JSON.stringify({ box }), /refuses to be serialized/);
    assert.deepEqual(Reflect.ownKeys(box), ['nth']);
  });

  it('is no other secret to a deep comparison, which cannot see what is inside', () => {
    assert.equal(isDeepStrictEqual({ key: secret('a') }, { key: secret('b') }), false);
    assert.equal(isDeepStrictEqual({ key: box }, { key: box }), true);
  });

  it('cannot be altered, or made by anything else', () => {
    assert.throws(() => Object.assign(box, { toJSON: () => 'x' }), TypeError);
    assert.throws(() => Object.assign(Object.getPrototypeOf(box), { toJSON: () => 'x' }), TypeError);
    const forged: Secret = Object.create(Object.getPrototypeOf(box));
    assert.throws(() => reveal(forged), /not a secret/);
  });
});

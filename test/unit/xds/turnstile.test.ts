import assert from 'node:assert/strict';
import { newTurnstile } from '../../../src/xds/turnstile.ts';
import { until } from '../../support/until.ts';

describe('the turnstile of writes', () => {
  it('lets so many in at once, and the next when one leaves, in order', () => {
    const turnstile = newTurnstile(2, 10_000);
    const inside: string[] = [];
    const leaves: (() => void)[] = [];
    for (const who of ['a', 'b', 'c', 'd']) {
      turnstile.enter((leave) => {
        inside.push(who);
        leaves.push(leave);
      });
    }
    assert.deepEqual(inside, ['a', 'b']);
    leaves[1]?.();
    leaves[1]?.();
    assert.deepEqual(inside, ['a', 'b', 'c']);
    leaves[0]?.();
    assert.deepEqual(inside, ['a', 'b', 'c', 'd']);
  });

  it('stops counting who does not leave', async () => {
    const turnstile = newTurnstile(1, 10);
    const inside: string[] = [];
    for (const who of ['stuck', 'next']) turnstile.enter(() => inside.push(who));
    await until(() => inside.length === 2);
  });

  it('is not exhausted by those who leave at once', () => {
    const turnstile = newTurnstile(1, 10_000);
    let passed = 0;
    for (let i = 0; i < 10_000; i += 1) {
      turnstile.enter((leave) => {
        passed += 1;
        leave();
      });
    }
    assert.equal(passed, 10_000);
  });
});

import assert from 'node:assert/strict';
import { newTurnstile } from '../../../src/xds/turnstile.ts';
import { until } from '../../support/until.ts';

describe('the turnstile of writes', () => {
  it('lets so many in at once, and the next when one leaves, in order', () => {
    const turnstile = newTurnstile({ writes: 2, bytes: 100 }, 10_000);
    const inside: string[] = [];
    const leaves: (() => void)[] = [];
    for (const who of ['a', 'b', 'c', 'd']) {
      turnstile.enter(1, (leave) => {
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

  it('lets so many bytes in at once, and what is larger than all room alone', () => {
    const turnstile = newTurnstile({ writes: 10, bytes: 100 }, 10_000);
    const inside = new Map<string, () => void>();
    for (const [who, bytes] of Object.entries({ a: 60, b: 40, c: 1, huge: 500, d: 1 })) {
      turnstile.enter(bytes, (leave) => inside.set(who, leave));
    }
    assert.deepEqual([...inside.keys()], ['a', 'b']);
    inside.get('a')?.();
    assert.deepEqual([...inside.keys()], ['a', 'b', 'c']);
    inside.get('b')?.();
    assert.ok(!inside.has('huge'));
    inside.get('c')?.();
    assert.deepEqual([...inside.keys()], ['a', 'b', 'c', 'huge']);
    inside.get('huge')?.();
    assert.ok(inside.has('d'));
  });

  it('stops counting who does not leave', async () => {
    const turnstile = newTurnstile({ writes: 1, bytes: 100 }, 10);
    const inside: string[] = [];
    for (const who of ['stuck', 'next']) turnstile.enter(1, () => inside.push(who));
    await until(() => inside.length === 2);
  });

  it('is not exhausted by those who leave at once', () => {
    const turnstile = newTurnstile({ writes: 1, bytes: 100 }, 10_000);
    let passed = 0;
    for (let i = 0; i < 10_000; i += 1) {
      turnstile.enter(1, (leave) => {
        passed += 1;
        leave();
      });
    }
    assert.equal(passed, 10_000);
  });
});

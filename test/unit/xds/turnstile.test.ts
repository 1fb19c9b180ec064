import assert from 'node:assert/strict';
import { newTurnstile } from '../../../src/xds/turnstile.ts';
import { until } from '../../support/until.ts';

describe('the turnstile of writes', () => {
  it('lets so many in at once, and the next when one leaves, in order', () => {
    const turnstile = newTurnstile([{ upTo: 100, writes: 2 }], 10_000);
    const inside: string[] = [];
    const leaves: (() => void)[] = [];
    for (const who of ['a', 'b', 'c', 'd']) {
      const pass = (): void => {
        inside.push(who);
        leaves.push(() => turnstile.leave(pass));
      };
      turnstile.enter(1, pass);
    }
    assert.deepEqual(inside, ['a', 'b']);
    leaves[1]?.();
    leaves[1]?.();
    assert.deepEqual(inside, ['a', 'b', 'c']);
    leaves[0]?.();
    assert.deepEqual(inside, ['a', 'b', 'c', 'd']);
  });

  it('keeps short writes from waiting for long ones', () => {
    const lanes = [
      { upTo: 10, writes: 2 },
      { upTo: 100, writes: 1 },
    ];
    const turnstile = newTurnstile(lanes, 10_000);
    const inside = new Map<string, () => void>();
    for (const [who, bytes] of Object.entries({ long: 50, huge: 500, short: 10, brief: 1, late: 1 })) {
      const pass = (): void => void inside.set(who, () => turnstile.leave(pass));
      turnstile.enter(bytes, pass);
    }
    assert.deepEqual([...inside.keys()], ['long', 'short', 'brief']);
    inside.get('long')?.();
    assert.deepEqual([...inside.keys()], ['long', 'short', 'brief', 'huge']);
    inside.get('brief')?.();
    assert.ok(inside.has('late'));
  });

  it('stops counting who does not leave', async () => {
    const turnstile = newTurnstile([{ upTo: 100, writes: 1 }], 10);
    const inside: string[] = [];
    for (const who of ['stuck', 'next']) turnstile.enter(1, () => void inside.push(who));
    await until(() => inside.length === 2);
  });

  it('is not exhausted by those who leave at once', () => {
    const turnstile = newTurnstile([{ upTo: 100, writes: 1 }], 10_000);
    let passed = 0;
    for (let i = 0; i < 10_000; i += 1) {
      const pass = (): void => {
        passed += 1;
        turnstile.leave(pass);
      };
      turnstile.enter(1, pass);
    }
    assert.equal(passed, 10_000);
  });
});

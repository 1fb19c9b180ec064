import assert from 'node:assert/strict';
import { type Made, once } from '../../../src/emit/once.ts';

describe('what is made once for a part', () => {
  it('is kept for each context, but not for all that ever came', () => {
    const [made, part]: [Made<object, object>, object] = [new WeakMap(), {}];
    const first = once(made, part, 'caller 0', () => ({}));
    assert.equal(
      once(made, part, 'caller 0', () => ({})),
      first,
    );
    for (let at = 1; at <= 20_000; at++) once(made, part, `caller ${at}`, () => ({}));
    assert.ok((made.get(part)?.size ?? 0) <= 10_000, `${made.get(part)?.size} contexts`);
    assert.notEqual(
      once(made, part, 'caller 0', () => ({})),
      first,
    );
  });
});

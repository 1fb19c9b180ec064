import assert from 'node:assert/strict';
import { keepNewest } from '../../../src/lib/newest.ts';

describe('a cache of the newest', () => {
  it('forgets the oldest beyond its bound, and what is put again is new', () => {
    const cache = new Map<string, number>();
    for (const key of ['a', 'b', 'c']) keepNewest(cache, key, 1, 3);
    keepNewest(cache, 'a', 2, 3);
    keepNewest(cache, 'd', 1, 3);
    assert.deepEqual(
      [...cache],
      [
        ['c', 1],
        ['a', 2],
        ['d', 1],
      ],
    );
  });
});

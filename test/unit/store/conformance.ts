import assert from 'node:assert/strict';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import type { Store, Write } from '../../../src/lib/store.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (store: Store, key: string): string | undefined => {
  const entry = store.get(key);
  return entry && Buffer.from(entry.value).toString();
};
const keys = (store: Store, prefix: string): readonly string[] => store.list(prefix).map((entry) => entry.key);
const conflict = { name: 'AppError', code: 'conflict' };

/** What every store must do, whatever keeps its bytes. */
export const storeConformance = (name: string, open: () => Store): void => {
  describe(`${name} as a Store`, () => {
    let store: Store;
    beforeEach(() => {
      store = open();
    });
    afterEach(() => store.close());

    it('gives back what was committed, and nothing else', async () => {
      assert.equal(store.get('a'), undefined);
      await store.commit([{ key: 'a', value: bytes('1') }]);
      assert.equal(text(store, 'a'), '1');
      await store.commit([{ key: 'a', value: bytes('') }]);
      assert.equal(text(store, 'a'), '');
      await store.commit([{ key: 'a', value: undefined }]);
      assert.equal(store.get('a'), undefined);
    });

    it('takes an empty commit and the deletion of an absent key', async () => {
      await store.commit([]);
      await store.commit([{ key: 'gone', value: undefined }]);
      assert.deepEqual(store.list(''), []);
    });

    it('lists a prefix in key order, and not its neighbours', async () => {
      const all = ['svid/b/1', 'svid/a/2', 'svid/a/1', 'svid', 'svidx', 'svid/a/10', 'a', 'svid/Z'];
      await store.commit(all.map((key) => ({ key, value: bytes(key) })));
      assert.deepEqual(keys(store, 'svid/'), ['svid/Z', 'svid/a/1', 'svid/a/10', 'svid/a/2', 'svid/b/1']);
      assert.deepEqual(keys(store, 'none'), []);
      assert.equal(store.list('').length, all.length);
    });

    it('lets a revision never come back, not even after a deletion', async () => {
      const seen: number[] = [];
      for (let i = 0; i < 3; i++) {
        await store.commit([{ key: 'a', value: bytes('same') }]);
        seen.push(store.get('a')?.revision ?? 0);
        await store.commit([{ key: 'a', value: undefined }]);
      }
      assert.deepEqual(
        [...new Set(seen)].sort((a, b) => a - b),
        seen,
      );
      assert.ok(seen.every((revision) => Number.isSafeInteger(revision) && revision > 0));
    });

    it('writes on the right revision only, and 0 means absent', async () => {
      await store.commit([{ key: 'a', value: bytes('1'), ifRevision: 0 }]);
      await assert.rejects(store.commit([{ key: 'a', value: bytes('2'), ifRevision: 0 }]), conflict);
      const revision = store.get('a')?.revision ?? 0;
      await store.commit([{ key: 'a', value: bytes('3'), ifRevision: revision }]);
      await assert.rejects(store.commit([{ key: 'a', value: undefined, ifRevision: revision }]), conflict);
      assert.equal(text(store, 'a'), '3');
    });

    it('writes nothing of a commit of which one write conflicts', async () => {
      await store.commit([{ key: 'b', value: bytes('old') }]);
      const writes: Write[] = [
        { key: 'a', value: bytes('new') },
        { key: 'b', value: undefined },
        { key: 'c', value: bytes('new'), ifRevision: 7 },
      ];
      await assert.rejects(store.commit(writes), conflict);
      assert.deepEqual(keys(store, ''), ['b']);
      assert.equal(text(store, 'b'), 'old');
    });

    it('lets exactly one of many racing commits win', async () => {
      const race = Array.from({ length: 20 }, (_, i) =>
        store.commit([{ key: 'a', value: bytes(`${i}`), ifRevision: 0 }]),
      );
      const outcomes = await Promise.allSettled(race);
      assert.equal(outcomes.filter((o) => o.status === 'fulfilled').length, 1);
      const winner = outcomes.findIndex((o) => o.status === 'fulfilled');
      assert.equal(text(store, 'a'), `${winner}`);
    });

    it('keeps the order of commits made without waiting', async () => {
      const all = Array.from({ length: 50 }, (_, i) => store.commit([{ key: 'a', value: bytes(`${i}`) }]));
      await Promise.all(all);
      assert.equal(text(store, 'a'), '49');
    });

    it('shares no memory with its callers', async () => {
      const mine = bytes('1');
      const done = store.commit([{ key: 'a', value: mine }]);
      mine[0] = 0;
      await done;
      const given = store.get('a');
      assert.ok(given);
      given.value[0] = 0;
      assert.equal(text(store, 'a'), '1');
    });

    it('refuses keys that are not printable ASCII, and one key twice', async () => {
      for (const key of ['', 'a b', 'ä', 'a\n', 'x'.repeat(513)]) {
        await assert.rejects(store.commit([{ key, value: bytes('1') }]), /invariant/);
      }
      await assert.rejects(
        store.commit([
          { key: 'a', value: bytes('1') },
          { key: 'a', value: undefined },
        ]),
        /twice/,
      );
      assert.deepEqual(store.list(''), []);
    });

    it('refuses everything once it is closed', async () => {
      await store.close();
      const closed = { name: 'AppError', code: 'store_unavailable' };
      assert.throws(() => store.get('a'), closed);
      assert.throws(() => store.list(''), closed);
      await assert.rejects(store.commit([{ key: 'a', value: bytes('1') }]), closed);
      await store.close();
    });

    it('agrees with a plain map over any sequence of commits', async () => {
      const write = fc.record({
        key: fc.constantFrom('a', 'a/b', 'a/c', 'b'),
        value: fc.option(fc.uint8Array({ maxLength: 9 }), { nil: undefined }),
      });
      const commits = fc.array(fc.uniqueArray(write, { selector: (w) => w.key, maxLength: 3 }), { maxLength: 8 });
      await fc.assert(
        fc.asyncProperty(commits, async (sequence) => {
          await store.commit(store.list('').map(({ key }) => ({ key, value: undefined })));
          const model = new Map<string, Uint8Array>();
          for (const writes of sequence) {
            await store.commit(writes);
            for (const w of writes) w.value === undefined ? model.delete(w.key) : model.set(w.key, w.value);
          }
          const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, [...value]]);
          assert.deepEqual(
            store.list('').map((e) => [e.key, [...e.value]]),
            expected,
          );
        }),
        { numRuns: 40 },
      );
    });
  });
};

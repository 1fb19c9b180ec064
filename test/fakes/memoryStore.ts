import { AppError } from '../../src/lib/errors.ts';
import type { Entry, Store, Write } from '../../src/lib/store.ts';
import { checkWrites, conflictOf } from '../../src/store/writes.ts';

/** While `broken`, the disk refuses every commit. */
export type MemoryStore = Omit<Store, 'commit'> & { broken: boolean; commit: Store['commit'] };

/** A store that behaves as the embedded one does, in memory: same order, conflicts, revisions and copies. */
export const memoryStore = (): MemoryStore => {
  const entries = new Map<string, Entry>();
  let revision = 0;
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new AppError('store_unavailable', 'the store is closed');
  };
  const copy = (entry: Entry): Entry => ({ ...entry, value: Uint8Array.from(entry.value) });
  const apply = (writes: readonly Write[]): void => {
    const conflict = conflictOf(writes, (key) => entries.get(key)?.revision ?? 0);
    if (conflict !== undefined) throw conflict;
    revision += 1;
    for (const { key, value } of writes) {
      if (value === undefined) entries.delete(key);
      else entries.set(key, copy({ key, value, revision }));
    }
  };
  const store: MemoryStore = {
    broken: false,
    get: (key) => {
      checkOpen();
      const entry = entries.get(key);
      return entry && copy(entry);
    },
    list: (prefix) => {
      checkOpen();
      const found = [...entries.values()].filter((entry) => entry.key.startsWith(prefix));
      return found.sort((a, b) => (a.key < b.key ? -1 : 1)).map(copy);
    },
    commit: async (writes) => {
      checkOpen();
      checkWrites(writes);
      if (store.broken) throw new AppError('store_unavailable', 'the disk refuses');
      const own = writes.map((w) => (w.value === undefined ? w : { ...w, value: Uint8Array.from(w.value) }));
      // Not at once: what is committed is seen when the promise resolves, as on a disk.
      await new Promise((resolve) => setImmediate(resolve));
      if (own.length > 0) apply(own);
    },
    close: async () => {
      closed = true;
    },
  };
  return store;
};

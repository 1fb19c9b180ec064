import { AppError, messageOf } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { Clock } from './clock.ts';

/** A store that remembers whether it takes writes. */
export type WatchedStore = Store & {
  /** Since when commits fail, and why the last one did; `undefined` once one succeeded again. */
  readonly trouble: () => { readonly since: Instant; readonly message: string } | undefined;
};

/** The same store, watched. A conflict is an answer and no trouble. */
export const watchStore = (store: Store, clock: Clock): WatchedStore => {
  let trouble: ReturnType<WatchedStore['trouble']>;
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    close: () => store.close(),
    commit: async (writes) => {
      try {
        await store.commit(writes);
        trouble = undefined;
      } catch (error) {
        const conflict = error instanceof AppError && error.code === 'conflict';
        if (!conflict) trouble = { since: trouble?.since ?? clock.now(), message: messageOf(error) };
        throw error;
      }
    },
    trouble: () => trouble,
  };
};

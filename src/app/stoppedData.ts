import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { AppError } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import { DATA_FILE } from '../store/dataDir.ts';
import { openLmdbStore } from '../store/lmdbStore.ts';

/**
 * Works on the store of a data directory that is there and that nobody uses, and closes it.
 * @throws AppError `no_data`, `store_locked`, the store's; what `work` throws
 */
export const withStoppedData = async <T>(
  folder: string,
  work: (store: Store, data: string) => Promise<T>,
): Promise<T> => {
  const data = resolve(folder);
  if (!existsSync(join(data, DATA_FILE)))
    throw new AppError('no_data', `${data} holds no state of Signet: name the data directory with --data`);
  const store = openLmdbStore(data);
  try {
    return await work(store, data);
  } finally {
    await store.close();
  }
};

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { resealStore } from '../ca/sealedStore.ts';
import { AppError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import { DATA_FILE } from '../store/dataDir.ts';
import { openLmdbStore } from '../store/lmdbStore.ts';

/**
 * Encrypts the keys in a data directory that nobody uses with another passphrase; without one they are in clear.
 * @throws AppError `no_data`, `store_locked`, `ca_sealed`, `ca_passphrase`, `ca_corrupt`, the store's
 */
export const resealData = async (folder: string, old: Secret | undefined, next: Secret | undefined): Promise<void> => {
  const data = resolve(folder);
  if (!existsSync(join(data, DATA_FILE)))
    throw new AppError('no_data', `${data} holds no state of Signet: name the data directory with --data`);
  const store = openLmdbStore(data);
  try {
    await resealStore(store, old, next);
  } finally {
    await store.close();
  }
};

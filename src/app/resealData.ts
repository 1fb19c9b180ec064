import { resealStore } from '../ca/sealedStore.ts';
import type { Secret } from '../lib/secret.ts';
import { withStoppedData } from './stoppedData.ts';

/**
 * Encrypts the keys in a data directory that nobody uses with another passphrase; without one they are in clear.
 * @throws AppError `no_data`, `store_locked`, `ca_sealed`, `ca_passphrase`, `ca_corrupt`, the store's
 */
export const resealData = (folder: string, old: Secret | undefined, next: Secret | undefined): Promise<void> =>
  withStoppedData(folder, (store) => resealStore(store, old, next));

import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { slotAnswer } from '../admin/caAnswers.ts';
import type { RestoreAnswer } from '../admin/responses.ts';
import {
  brokenDocuments,
  type DocumentName,
  openAuthority,
  restoreAuthority,
  storedTrustDomain,
} from '../ca/openAuthority.ts';
import { openSealed } from '../ca/sealedStore.ts';
import { AppError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import type { Store } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import { DATA_FILE } from '../store/dataDir.ts';
import { openLmdbStore } from '../store/lmdbStore.ts';

/**
 * Returns the authority in a data directory that nobody uses to the generation before: what of it cannot be read, or, if
 * `healthy` says that this is meant, what can.
 * @throws AppError `no_data`, `nothing_broken`, `store_locked`, `ca_nothing_before`, `rotation_refused`, or the store's
 */
export const restoreData = async (
  folder: string,
  healthy: boolean,
  now: Instant,
  passphrase?: Secret,
): Promise<RestoreAnswer> => {
  const data = resolve(folder);
  if (!existsSync(join(data, DATA_FILE)))
    throw new AppError('no_data', `${data} holds no state of Signet: name the data directory with --data`);
  const plain = openLmdbStore(data);
  try {
    const store = await openSealed(plain, passphrase);
    const trustDomain = storedTrustDomain(store);
    if (trustDomain === undefined)
      throw new AppError('ca_nothing_before', `nothing of an authority in ${data} can be read: put a backup back`);
    const broken = brokenDocuments(store, trustDomain);
    if (broken.mesh === undefined && broken.channel === undefined && !healthy)
      throw new AppError(
        'nothing_broken',
        'the certificate authority can be read, so nothing was changed; to go back to the generation before it all the same, though sidecars may trust only what came since, add --yes',
      );
    const names = await restoreAuthority(store, trustDomain, now);
    return { restored: await describe(store, trustDomain, names, broken, now) };
  } finally {
    await plain.close();
  }
};

const describe = async (
  store: Store,
  trustDomain: TrustDomain,
  names: readonly DocumentName[],
  broken: ReturnType<typeof brokenDocuments>,
  now: Instant,
): Promise<RestoreAnswer['restored']> => {
  const { mesh, channel } = await openAuthority({ store, trustDomain, now });
  const { generation, slots } = mesh.describe();
  const present = {
    mesh: { generation, slots },
    channel: { generation: channel.generation(), slots: channel.slots() },
  };
  return names.map((document) => ({
    document,
    // What to do about it was just done.
    broken: broken[document]?.replace(/; (return to|put) .*/, '') ?? null,
    generation: present[document].generation,
    cas: present[document].slots.map(slotAnswer),
  }));
};

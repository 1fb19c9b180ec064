import { slotAnswer } from '../admin/caAnswers.ts';
import type { RestoreAnswer } from '../admin/responses.ts';
import {
  brokenDocuments,
  type DocumentName,
  openAuthority,
  restoreAuthority,
  storedNames,
} from '../ca/openAuthority.ts';
import { openSealed } from '../ca/sealedStore.ts';
import { AppError } from '../lib/errors.ts';
import type { Secret } from '../lib/secret.ts';
import type { Store } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { OwnDomains } from '../spiffe/spiffeId.ts';
import { withStoppedData } from './stoppedData.ts';

/**
 * Returns the authority in a data directory that nobody uses to the generation before: what of it cannot be read, or, if
 * `healthy` says that this is meant, what can.
 * @throws AppError `no_data`, `nothing_broken`, `store_locked`, `ca_nothing_before`, `rotation_refused`, or the store's
 */
export const restoreData = (
  folder: string,
  healthy: boolean,
  now: Instant,
  passphrase?: Secret,
): Promise<RestoreAnswer> =>
  withStoppedData(folder, async (plain, data) => {
    const store = await openSealed(plain, passphrase);
    const [trustDomain, ...others] = storedNames(store);
    if (trustDomain === undefined)
      throw new AppError('ca_nothing_before', `nothing of an authority in ${data} can be read: put a backup back`);
    const called: OwnDomains = [trustDomain, ...others];
    const broken = brokenDocuments(store, called);
    if (broken.mesh === undefined && broken.channel === undefined && !healthy)
      throw new AppError(
        'nothing_broken',
        'the certificate authority can be read, so nothing was changed; to go back to the generation before it all the same, though sidecars may trust only what came since, add --yes',
      );
    const names = await restoreAuthority(store, called, now);
    return { restored: await describe(store, called, names, broken, now) };
  });

const describe = async (
  store: Store,
  called: OwnDomains,
  names: readonly DocumentName[],
  broken: ReturnType<typeof brokenDocuments>,
  now: Instant,
): Promise<RestoreAnswer['restored']> => {
  const { mesh, channel } = await openAuthority({ store, trustDomain: called[0], names: () => called, now });
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

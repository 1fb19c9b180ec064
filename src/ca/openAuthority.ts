import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, MeshAuthority } from './authority.ts';
import { caDocument, isBegun, readDocument, restoreDocument } from './caDocument.ts';
import { channelAuthority } from './channelAuthority.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import { firstStart } from './firstStart.ts';
import { meshAuthority } from './meshAuthority.ts';
import { CHANNEL_FORM, MESH_FORM } from './state.ts';

/**
 * The mesh's authority and the channel's, from the store; made on the first start and kept by every later one.
 * @throws AppError `ca_corrupt`, `ca_foreign` (both change nothing), or the store's
 */
export const openAuthority = async (options: {
  readonly store: Store;
  readonly trustDomain: TrustDomain;
  readonly now: Instant;
  /** The curve of the keys that are made, asked each time; default P-256. */
  readonly curve?: () => Curve;
  /** The signer that mesh.yaml names, asked each time. */
  readonly signer?: () => SignerChoice | undefined;
  /** An identity of the mesh, for which a signer of leaves is asked at the first start. */
  readonly trial?: SpiffeId | undefined;
  /** Told why the first start waits; resolves with the time when it is time to ask again. Without it nobody waits. */
  readonly waiting?: (why: unknown) => Promise<Instant>;
}): Promise<{ readonly mesh: MeshAuthority; readonly channel: ChannelAuthority }> => {
  const { store, trustDomain, curve = () => 'P-256', signer = () => undefined } = options;
  const { mesh, channel } = isBegun(store)
    ? {
        mesh: readDocument(store, MESH_FORM, trustDomain),
        channel: readDocument(store, CHANNEL_FORM, trustDomain),
      }
    : await firstStart({ ...options, curve: curve(), signs: signer() });
  return Object.freeze({
    mesh: meshAuthority(trustDomain, curve, caDocument(store, MESH_FORM, trustDomain, mesh), signer),
    channel: channelAuthority(trustDomain, curve, caDocument(store, CHANNEL_FORM, trustDomain, channel)),
  });
};

const isReadable = (read: () => unknown): boolean => {
  try {
    read();
    return true;
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'ca_foreign') throw thrown;
    return false;
  }
};

/**
 * What `signet ca restore` does while Signet is stopped: each of the two documents that cannot be read returns to the
 * generation before it. If both can, the mesh's does. Returns the names of those that did.
 * @throws AppError `ca_nothing_before`, `ca_corrupt`, `ca_foreign`, `rotation_refused`, or the store's
 */
export const restoreAuthority = async (
  store: Store,
  trustDomain: TrustDomain,
  now: Instant,
): Promise<readonly ('mesh' | 'channel')[]> => {
  const broken = {
    mesh: !isReadable(() => readDocument(store, MESH_FORM, trustDomain)),
    channel: !isReadable(() => readDocument(store, CHANNEL_FORM, trustDomain)),
  };
  if (broken.channel) await restoreDocument(store, CHANNEL_FORM, trustDomain, now);
  if (broken.mesh || !broken.channel) await restoreDocument(store, MESH_FORM, trustDomain, now);
  return (['mesh', 'channel'] as const).filter((name) => broken[name] || (name === 'mesh' && !broken.channel));
};

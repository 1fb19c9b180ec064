import type { Curve } from '../features/certificates/spec.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { parseTrustDomain, type SpiffeId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, MeshAuthority } from './authority.ts';
import { caDocument, isBegun, previousKey, readDocument, restoreDocument } from './caDocument.ts';
import { channelAuthority } from './channelAuthority.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import { firstStart } from './firstStart.ts';
import { meshAuthority, ROOT_LIFE } from './meshAuthority.ts';
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
  /** Of roots that are made, asked each time; default `ROOT_LIFE`. */
  readonly rootLife?: () => Duration;
  /** The signer that mesh.yaml names, asked each time. */
  readonly signer?: () => SignerChoice | undefined;
  /** An identity of the mesh, for which a signer of leaves is asked at the first start. */
  readonly trial?: SpiffeId | undefined;
  /** Told why the first start waits; resolves with the time when it is time to ask again. Without it nobody waits. */
  readonly waiting?: (why: unknown) => Promise<Instant>;
}): Promise<{ readonly mesh: MeshAuthority; readonly channel: ChannelAuthority }> => {
  const { store, trustDomain, curve = () => 'P-256', rootLife = () => ROOT_LIFE, signer = () => undefined } = options;
  const { mesh, channel } = isBegun(store)
    ? {
        mesh: readDocument(store, MESH_FORM, trustDomain),
        channel: readDocument(store, CHANNEL_FORM, trustDomain),
      }
    : await firstStart({ ...options, curve: curve(), rootLife: rootLife(), signs: signer() });
  return Object.freeze({
    mesh: meshAuthority(trustDomain, curve, caDocument(store, MESH_FORM, trustDomain, mesh), rootLife, signer),
    channel: channelAuthority(trustDomain, curve, caDocument(store, CHANNEL_FORM, trustDomain, channel)),
  });
};

export type DocumentName = 'mesh' | 'channel';

/** Why a document cannot be used; `undefined` if it can. */
const faultIn = (read: () => unknown): string | undefined => {
  try {
    read();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.code === 'ca_foreign') throw thrown;
    return messageOf(thrown);
  }
};

/** Which documents of an authority that was begun cannot be used, and why. @throws AppError `ca_foreign` */
export const brokenDocuments = (
  store: Store,
  trustDomain: TrustDomain,
): Readonly<Record<DocumentName, string | undefined>> => ({
  mesh: faultIn(() => readDocument(store, MESH_FORM, trustDomain)),
  channel: faultIn(() => readDocument(store, CHANNEL_FORM, trustDomain)),
});

/** The trust domain that a store belongs to, read from whatever of its authority can be read. */
export const storedTrustDomain = (store: Store): TrustDomain | undefined => {
  for (const form of [MESH_FORM, CHANNEL_FORM])
    for (const key of [form.key, previousKey(form.key)]) {
      try {
        const { trustDomain } = JSON.parse(Buffer.from(store.get(key)?.value ?? []).toString('utf8'));
        const found = parseTrustDomain(String(trustDomain));
        if (found !== undefined) return found;
      } catch {
        // The next one may say it.
      }
    }
  return undefined;
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
): Promise<readonly DocumentName[]> => {
  const broken = brokenDocuments(store, trustDomain);
  const mesh = broken.mesh !== undefined || broken.channel === undefined;
  if (broken.channel !== undefined) await restoreDocument(store, CHANNEL_FORM, trustDomain, now);
  if (mesh) await restoreDocument(store, MESH_FORM, trustDomain, now);
  return [...(mesh ? (['mesh'] as const) : []), ...(broken.channel === undefined ? [] : (['channel'] as const))];
};

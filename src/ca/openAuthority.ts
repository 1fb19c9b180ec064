import type { Curve } from '../features/certificates/spec.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { type OwnDomains, parseTrustDomain, type SpiffeId, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, MeshAuthority } from './authority.ts';
import { caDocument, isBegun, previousKey, readDocument, restoreDocument } from './caDocument.ts';
import { channelAuthority } from './channelAuthority.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import { firstStart } from './firstStart.ts';
import { meshAuthority, ROOT_LIFE } from './meshAuthority.ts';
import type { ChannelState, MeshState } from './meshState.ts';
import { allNames } from './names.ts';
import { CHANNEL_FORM, MESH_FORM } from './state.ts';

type States = { readonly mesh: MeshState; readonly channel: ChannelState };

/**
 * The mesh's authority and the channel's, from the store; made on the first start and kept by every later one.
 * @throws AppError `ca_corrupt`, `ca_foreign` (both change nothing), or the store's; at a first start `signer_away`,
 * `signer_failed`, which leave nothing behind
 */
export const openAuthority = async (options: {
  readonly store: Store;
  readonly trustDomain: TrustDomain;
  /** What the mesh is called now: its trust domain, then its aliases. Default: `trustDomain`, always. */
  readonly names?: () => OwnDomains;
  readonly now: Instant;
  /** The curve of the keys that are made, asked each time; default P-256. */
  readonly curve?: () => Curve;
  /** Of roots that are made, asked each time; default `ROOT_LIFE`. */
  readonly rootLife?: () => Duration;
  /** The signer that mesh.yaml names, asked each time. */
  readonly signer?: () => SignerChoice | undefined;
  /** An identity of the mesh, for which a signer of leaves is asked at the first start. */
  readonly trial?: SpiffeId | undefined;
}): Promise<{ readonly mesh: MeshAuthority; readonly channel: ChannelAuthority }> => {
  const { store, trustDomain, curve = () => 'P-256', rootLife = () => ROOT_LIFE, signer = () => undefined } = options;
  const names = options.names ?? ((): OwnDomains => [trustDomain]);
  const { mesh, channel } = isBegun(store)
    ? readBoth(store, names())
    : await firstStart({ ...options, curve: curve(), rootLife: rootLife(), signs: signer() });
  const making = { trustDomain: () => names()[0], curve, rootLife };
  return Object.freeze({
    mesh: meshAuthority(making, caDocument(store, MESH_FORM, names, mesh), signer),
    channel: channelAuthority(making, caDocument(store, CHANNEL_FORM, names, channel)),
  });
};

/** The channel keeps the name that it was made with, so that bootstraps stay good: it may be one that the mesh had. */
const readBoth = (store: Store, names: readonly TrustDomain[]): States => {
  const mesh = readDocument(store, MESH_FORM, names);
  return { mesh, channel: readDocument(store, CHANNEL_FORM, [...names, ...allNames(mesh)]) };
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
  names: readonly TrustDomain[],
): Readonly<Record<DocumentName, string | undefined>> => ({
  mesh: faultIn(() => readDocument(store, MESH_FORM, names)),
  channel: faultIn(() => readDocument(store, CHANNEL_FORM, names)),
});

/** What a store's authority is called, and was before, read from whatever of it can be read; the mesh's own name first. */
export const storedNames = (store: Store): readonly TrustDomain[] => {
  const keys = [MESH_FORM, CHANNEL_FORM].flatMap(({ key }) => [key, previousKey(key)]);
  const names = keys.flatMap((key): unknown[] => {
    try {
      const { trustDomain, formerly = [] } = JSON.parse(Buffer.from(store.get(key)?.value ?? []).toString('utf8'));
      return [trustDomain, ...formerly];
    } catch {
      return []; // the next one may say it
    }
  });
  return [...new Set(names.flatMap((name) => parseTrustDomain(String(name)) ?? []))];
};

/**
 * What `signet ca restore` does while Signet is stopped: each of the two documents that cannot be read returns to the
 * generation before it. If both can, the mesh's does. Returns the names of those that did. `names`: the mesh's trust domain,
 * then its aliases.
 * @throws AppError `ca_nothing_before`, `ca_corrupt`, `ca_foreign`, `rotation_refused`, or the store's
 */
export const restoreAuthority = async (
  store: Store,
  names: readonly TrustDomain[],
  now: Instant,
): Promise<readonly DocumentName[]> => {
  const broken = brokenDocuments(store, names);
  const mesh = broken.mesh !== undefined || broken.channel === undefined;
  if (broken.channel !== undefined) await restoreDocument(store, CHANNEL_FORM, names, now);
  if (mesh) await restoreDocument(store, MESH_FORM, names, now);
  return [...(mesh ? (['mesh'] as const) : []), ...(broken.channel === undefined ? [] : (['channel'] as const))];
};

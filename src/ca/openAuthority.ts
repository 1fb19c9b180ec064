import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { OwnDomains, TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, MeshAuthority } from './authority.ts';
import { type CaKeyPair, makeCa } from './caCertificate.ts';
import { caDocument, firstWrites, isBegun, readDocument, restoreDocument } from './caDocument.ts';
import { channelAuthority } from './channelAuthority.ts';
import { INTERMEDIATE_LIFE, meshAuthority, ROOT_LIFE } from './meshAuthority.ts';
import type { ChannelState, MeshState } from './meshState.ts';
import { allNames } from './names.ts';
import type { Slots } from './slots.ts';
import { CHANNEL_FORM, MESH_FORM } from './state.ts';

type States = { readonly mesh: MeshState; readonly channel: ChannelState };

const firstStart = async (store: Store, trustDomain: TrustDomain, now: Instant, curve: Curve): Promise<States> => {
  const slots = (keys: CaKeyPair): Slots => [{ state: 'active', since: now, certificate: keys.certificate, keys }];
  const root = makeCa('root', { trustDomain, life: ROOT_LIFE, now, curve });
  const intermediate = makeCa('intermediate', { trustDomain, life: INTERMEDIATE_LIFE, now, curve, issuer: root });
  const anchor = makeCa('channel', { trustDomain, life: ROOT_LIFE, now, curve });
  const named = { trustDomain, formerly: [] };
  const mesh: MeshState = {
    ...named,
    generation: 1,
    roots: slots(root),
    intermediates: slots(intermediate),
    rotation: undefined,
  };
  const channel: ChannelState = { ...named, generation: 1, anchors: slots(anchor) };
  // One commit before any of them is used: a start that is killed leaves all of it or nothing.
  await store.commit([...firstWrites(store, MESH_FORM, mesh, now), ...firstWrites(store, CHANNEL_FORM, channel, now)]);
  return { mesh, channel };
};

/**
 * The mesh's authority and the channel's, from the store; made on the first start and kept by every later one.
 * @throws AppError `ca_corrupt`, `ca_foreign` (both change nothing), or the store's
 */
export const openAuthority = async (options: {
  readonly store: Store;
  readonly trustDomain: TrustDomain;
  /** What the mesh is called now: its trust domain, then its aliases. Default: `trustDomain`, always. */
  readonly names?: () => OwnDomains;
  readonly now: Instant;
  /** The curve of the keys that are made, asked each time; default P-256. */
  readonly curve?: () => Curve;
}): Promise<{ readonly mesh: MeshAuthority; readonly channel: ChannelAuthority }> => {
  const { store, trustDomain, now, curve = () => 'P-256' } = options;
  const names = options.names ?? ((): OwnDomains => [trustDomain]);
  const { mesh, channel } = isBegun(store)
    ? readBoth(store, names())
    : await firstStart(store, trustDomain, now, curve());
  const making = { trustDomain: () => names()[0], curve };
  return Object.freeze({
    mesh: meshAuthority(making, caDocument(store, MESH_FORM, names, mesh)),
    channel: channelAuthority(making, caDocument(store, CHANNEL_FORM, names, channel)),
  });
};

/** The channel keeps the name that it was made with, so that bootstraps stay good: it may be one that the mesh had. */
const readBoth = (store: Store, names: readonly TrustDomain[]): States => {
  const mesh = readDocument(store, MESH_FORM, names);
  return { mesh, channel: readDocument(store, CHANNEL_FORM, [...names, ...allNames(mesh)]) };
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
 * generation before it. If both can, the mesh's does. Returns the names of those that did. `names`: the mesh's trust domain,
 * then its aliases.
 * @throws AppError `ca_nothing_before`, `ca_corrupt`, `ca_foreign`, `rotation_refused`, or the store's
 */
export const restoreAuthority = async (
  store: Store,
  names: readonly TrustDomain[],
  now: Instant,
): Promise<readonly ('mesh' | 'channel')[]> => {
  const broken = {
    mesh: !isReadable(() => readDocument(store, MESH_FORM, names)),
    channel: !isReadable(() => readDocument(store, CHANNEL_FORM, names)),
  };
  if (broken.channel) await restoreDocument(store, CHANNEL_FORM, names, now);
  if (broken.mesh || !broken.channel) await restoreDocument(store, MESH_FORM, names, now);
  return (['mesh', 'channel'] as const).filter((name) => broken[name] || (name === 'mesh' && !broken.channel));
};

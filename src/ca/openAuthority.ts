import type { Curve } from '../features/certificates/spec.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, MeshAuthority } from './authority.ts';
import { type CaKeyPair, makeCa } from './caCertificate.ts';
import { caDocument, firstWrites, isBegun, previousKey, readDocument, restoreDocument } from './caDocument.ts';
import { channelAuthority } from './channelAuthority.ts';
import { INTERMEDIATE_LIFE, meshAuthority, ROOT_LIFE } from './meshAuthority.ts';
import type { ChannelState, MeshState } from './meshState.ts';
import type { Slots } from './slots.ts';
import { CHANNEL_FORM, MESH_FORM } from './state.ts';

type States = { readonly mesh: MeshState; readonly channel: ChannelState };

const firstStart = async (
  store: Store,
  trustDomain: TrustDomain,
  now: Instant,
  curve: Curve,
  life: Duration,
): Promise<States> => {
  const slots = (keys: CaKeyPair): Slots => [{ state: 'active', since: now, certificate: keys.certificate, keys }];
  const root = makeCa('root', { trustDomain, life, now, curve });
  const intermediate = makeCa('intermediate', { trustDomain, life: INTERMEDIATE_LIFE, now, curve, issuer: root });
  const anchor = makeCa('channel', { trustDomain, life: ROOT_LIFE, now, curve });
  const mesh: MeshState = {
    generation: 1,
    roots: slots(root),
    intermediates: slots(intermediate),
    rotation: undefined,
  };
  const channel: ChannelState = { generation: 1, anchors: slots(anchor) };
  // One commit before any of them is used: a start that is killed leaves all of it or nothing.
  await store.commit([
    ...firstWrites(store, MESH_FORM, trustDomain, mesh, now),
    ...firstWrites(store, CHANNEL_FORM, trustDomain, channel, now),
  ]);
  return { mesh, channel };
};

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
}): Promise<{ readonly mesh: MeshAuthority; readonly channel: ChannelAuthority }> => {
  const { store, trustDomain, now, curve = () => 'P-256', rootLife = () => ROOT_LIFE } = options;
  const { mesh, channel } = isBegun(store)
    ? {
        mesh: readDocument(store, MESH_FORM, trustDomain),
        channel: readDocument(store, CHANNEL_FORM, trustDomain),
      }
    : await firstStart(store, trustDomain, now, curve(), rootLife());
  return Object.freeze({
    mesh: meshAuthority(trustDomain, curve, caDocument(store, MESH_FORM, trustDomain, mesh), rootLife),
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

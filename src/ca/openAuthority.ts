import type { Curve } from '../features/certificates/spec.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import type { ChannelAuthority, IssuingAuthority } from './authority.ts';
import { type CaKeyPair, makeCa } from './caCertificate.ts';
import { channelAuthority } from './channelAuthority.ts';
import { INTERMEDIATE_LIFE, meshAuthority } from './meshAuthority.ts';
import { type CaState, channelWrite, meshWrite, readState } from './state.ts';

/** Life of the mesh root and of the channel CA. */
export const ROOT_LIFE: Duration = 3650 * 86_400_000;

const firstStart = async (store: Store, trustDomain: TrustDomain, now: Instant, curve: Curve): Promise<CaState> => {
  const root: CaKeyPair = makeCa('root', { trustDomain, life: ROOT_LIFE, now, curve });
  const intermediate = makeCa('intermediate', { trustDomain, life: INTERMEDIATE_LIFE, now, curve, issuer: root });
  const channel = makeCa('channel', { trustDomain, life: ROOT_LIFE, now, curve });
  // One commit before any of them is used: a start that is killed leaves all of it or nothing.
  await store.commit([meshWrite(trustDomain, root, intermediate, 0), channelWrite(trustDomain, channel)]);
  return { root, intermediate, channel };
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
}): Promise<{ readonly mesh: IssuingAuthority; readonly channel: ChannelAuthority }> => {
  const { store, trustDomain, now, curve = () => 'P-256' } = options;
  const state = readState(store, trustDomain) ?? (await firstStart(store, trustDomain, now, curve()));
  return Object.freeze({
    mesh: meshAuthority(store, trustDomain, curve, state),
    channel: channelAuthority(trustDomain, curve, state.channel),
  });
};

import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import { makeCa } from './caCertificate.ts';
import { firstWrites } from './caDocument.ts';
import type { SignerChoice } from './external/remoteSigner.ts';
import type { Signed } from './imports.ts';
import { INTERMEDIATE_LIFE } from './issuance.ts';
import { ROOT_LIFE } from './meshAuthority.ts';
import type { ChannelState, MeshState } from './meshState.ts';
import { signedIntermediate, signedLeaf } from './signerWork.ts';
import { type NewSlot, own, type Slots } from './slots.ts';
import { CHANNEL_FORM, MESH_FORM } from './state.ts';

export type FirstStart = {
  readonly store: Store;
  readonly trustDomain: TrustDomain;
  readonly now: Instant;
  readonly curve: Curve;
  readonly rootLife: Duration;
  readonly signs: SignerChoice | undefined;
  readonly trial?: SpiffeId | undefined;
};

/** A leaf that is thrown away shows who signs, and that it signs as it should. */
const TRIAL_LIFE = 600_000;

/** Nothing is made up in the signer's place: a mesh whose signer is away does not begin. */
const asked = async (start: FirstStart, { sign, queue }: SignerChoice): Promise<Signed> => {
  const { trustDomain, curve, now, trial } = start;
  const work = { queue, trustDomain, curve, knownRoots: [], formerly: [], now };
  if (sign === 'intermediate') return signedIntermediate(work);
  if (trial === undefined)
    throw new AppError(
      'signer_failed',
      'a signer of leaves is asked for one at the first start, and mesh.yaml has no service to ask for: write one',
    );
  return (await signedLeaf(work, { id: trial, ttl: TRIAL_LIFE }, new Set())).above;
};

const ownCas = ({
  trustDomain,
  now,
  curve,
  rootLife,
}: FirstStart): { readonly root: NewSlot; readonly issuer: NewSlot } => {
  const root = makeCa('root', { trustDomain, life: rootLife, now, curve });
  const issuer = makeCa('intermediate', { trustDomain, life: INTERMEDIATE_LIFE, now, curve, issuer: root });
  return { root: own(root), issuer: own(issuer) };
};

/**
 * Begins a mesh: a root and an intermediate of its own, or those that the signer's answer shows, and an anchor for the
 * channel. A start whose signer does not answer leaves nothing behind, so it can be tried again.
 * @throws AppError the store's; `signer_away`, `signer_failed`
 */
export const firstStart = async (
  start: FirstStart,
): Promise<{ readonly mesh: MeshState; readonly channel: ChannelState }> => {
  const { store, trustDomain, now, curve, signs } = start;
  const active = (slot: NewSlot): Slots => [{ ...slot, state: 'active', since: now }];
  const { root, issuer } = signs === undefined ? ownCas(start) : await asked(start, signs);
  const anchor = makeCa('channel', { trustDomain, life: ROOT_LIFE, now, curve });
  const named = { trustDomain, formerly: [] };
  const mesh: MeshState = {
    ...named,
    generation: 1,
    roots: active(root),
    intermediates: active(issuer),
    rotation: undefined,
  };
  const channel: ChannelState = { ...named, generation: 1, anchors: active(own(anchor)) };
  // One commit before any of them is used: a start that is killed leaves all of it or nothing.
  await store.commit([...firstWrites(store, MESH_FORM, mesh, now), ...firstWrites(store, CHANNEL_FORM, channel, now)]);
  return { mesh, channel };
};

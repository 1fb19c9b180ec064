import type { Secret } from '../lib/secret.ts';
import type { Instant } from '../lib/time.ts';
import type { CaCertificate } from './caCertificate.ts';
import type { Named } from './names.ts';
import type { Rotation } from './rotation.ts';
import {
  activate,
  activeOf,
  inState,
  type NewSlot,
  prepare,
  refused,
  retire,
  type Slot,
  type Slots,
  slotOf,
  slotsFault,
  standing,
  taint,
} from './slots.ts';

/** The mesh's CAs. Every function here gives the next state or refuses with a sentence, and changes nothing itself. */
export type MeshState = Named & {
  /** Counts the commits. */
  readonly generation: number;
  readonly roots: Slots;
  /** Each belongs to a root; the active one to the active root. */
  readonly intermediates: Slots;
  readonly rotation: Rotation | undefined;
  /** When a rotation was aborted last. */
  readonly abortedAt?: Instant | undefined;
  /** The key of an intermediate that somebody else is to sign, and the request for it. */
  readonly pending?: PendingRequest | undefined;
};

export type PendingRequest = {
  /** PKCS#8 PEM. */
  readonly key: Secret;
  /** PKCS#10, PEM. */
  readonly csr: string;
  readonly since: Instant;
};

/** The anchors of the channel between sidecars and Signet. */
export type ChannelState = Named & { readonly generation: number; readonly anchors: Slots };

/** The root that signed an intermediate, found by the key identifier (RFC 5280 §4.2.1.1). */
export const rootOf = (roots: Slots, { issuedBy }: CaCertificate): Slot | undefined =>
  roots.find(({ certificate }) => certificate.identifier.equals(issuedBy));

const below = ({ roots, intermediates }: MeshState, root: string): Slots =>
  intermediates.filter(({ certificate }) => rootOf(roots, certificate)?.certificate.facts.serial === root);

/** What is wrong with a state; `undefined` if nothing is. */
export const meshFault = ({ roots, intermediates }: MeshState): string | undefined => {
  const fault = slotsFault('roots', roots) ?? slotsFault('intermediates', intermediates);
  if (fault !== undefined) return fault;
  const belongs = intermediates.map((slot) => [slot, rootOf(roots, slot.certificate)] as const);
  for (const [{ state, certificate }, root] of belongs) {
    if (root === undefined) return `no root of its stands above ${certificate.name}`;
    if (state === 'active' && root.state !== 'active') return `${certificate.name} is active below a root that is not`;
    if (root.state === 'revoked' && state !== 'revoked') return `${certificate.name} is ${state} below a revoked root`;
  }
  const prepared = inState(roots, 'prepared');
  if (prepared !== undefined && !belongs.some(([{ state }, root]) => state === 'prepared' && root === prepared))
    return `${prepared.certificate.name} is prepared without an intermediate`;
  return undefined;
};

/** A new root with its intermediate: trusted, and not signing yet. @throws AppError `rotation_refused` */
export const prepareRoot = (state: MeshState, root: NewSlot, intermediate: NewSlot, now: Instant): MeshState => ({
  ...state,
  roots: prepare(state.roots, root, now),
  intermediates: prepare(state.intermediates, intermediate, now),
});

/** Another intermediate below the active root signs at once: leaves carry it, and its root is known to everybody. */
export const replaceIntermediate = (state: MeshState, next: NewSlot, now: Instant): MeshState => {
  if (rootOf(state.roots, next.certificate)?.state !== 'active')
    throw refused(`${next.certificate.name} does not belong to the active root`);
  const kept = state.intermediates.filter(({ state, certificate }) => state !== 'old' || certificate.notAfter > now);
  // Never `old` for anybody to see: the same change makes it the active one.
  const added: Slot = { ...next, state: 'old', since: now };
  return { ...state, intermediates: activate([...kept, added], next.certificate.facts.serial, now) };
};

/** The root `serial` and its newest intermediate sign from now on. @throws AppError `rotation_refused` */
export const activateRoot = (state: MeshState, serial: string, now: Instant): MeshState => {
  const roots = activate(state.roots, serial, now);
  const newest = below(state, serial)
    .filter((slot) => slot.state === 'prepared' || slot.state === 'old')
    .sort((a, b) => b.since - a.since)[0];
  if (newest === undefined) throw refused(`no intermediate of the root ${serial} is held`);
  return { ...state, roots, intermediates: activate(state.intermediates, slotOf(newest), now) };
};

/** Another intermediate of the active root, taken back. @throws AppError `rotation_refused` */
export const activateIntermediate = (state: MeshState, serial: string, now: Instant): MeshState => ({
  ...state,
  intermediates: activate(state.intermediates, serial, now),
});

/** A root is tainted with all that it signed. @throws AppError `rotation_refused` */
export const taintRoot = (state: MeshState, serial: string, now: Instant): MeshState => ({
  ...state,
  roots: taint(state.roots, serial, now),
  intermediates: below(state, serial).reduce((slots, slot) => taint(slots, slotOf(slot), now), state.intermediates),
});

/** A root ends with all that it signed. @throws AppError `rotation_refused` */
export const retireRoot = (state: MeshState, serial: string, now: Instant): MeshState => ({
  ...state,
  intermediates: below(state, serial).reduce((slots, slot) => retire(slots, slotOf(slot), now), state.intermediates),
  roots: retire(state.roots, serial, now),
});

export const retireIntermediate = (state: MeshState, serial: string, now: Instant): MeshState => ({
  ...state,
  intermediates: retire(state.intermediates, serial, now),
});

/** The active ones, wherever their keys are. */
export const rootInForce = (state: MeshState): Slot => standing(state.roots);
export const intermediateInForce = (state: MeshState): Slot => standing(state.intermediates);

/** The active ones with their keys. @throws AppError `ca_key_elsewhere` */
export const activeRoot = (state: MeshState) => activeOf(state.roots);
export const activeIntermediate = (state: MeshState) => activeOf(state.intermediates);

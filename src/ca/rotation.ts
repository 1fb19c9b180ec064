import type { Duration, Instant } from '../lib/time.ts';
import type { Issuers } from './facts.ts';

/**
 * Why the CAs change: a new root with a new intermediate, a new intermediate below the same root, or a new root because
 * somebody else may have the key of the present one.
 */
export const ROTATION_KINDS = ['root', 'intermediate', 'compromise'] as const;
export type RotationKind = (typeof ROTATION_KINDS)[number];

/**
 * `distribute`: every sidecar is to trust the new one before anything that it signed is shown; `issue`: leaves come from
 * the new one, sidecar by sidecar; `retire`: the old one goes when no live leaf needs it.
 */
export const ROTATION_STEPS = ['distribute', 'issue', 'retire'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

/** A plan that survives restarts, because it lies in the document of the CAs that it changes. */
export type Rotation = {
  readonly id: string;
  readonly kind: RotationKind;
  readonly step: RotationStep;
  readonly startedAt: Instant;
  readonly stepSince: Instant;
  readonly paused: boolean;
  readonly reason: string;
  /** Serials of the CA that goes and of the one that comes: roots, or intermediates where only those change. */
  readonly from: string;
  readonly to: string;
};

/** A leaf by the serials of its issuers, which are empty where they are not known. */
export type Leaf = Issuers & { readonly notAfter: Instant };

/** What is known of one sidecar, connected or away with a certificate that is still valid. */
export type SidecarFacts = {
  readonly node: string;
  readonly connected: boolean;
  /** Serials of the roots in the bundle that it ACKed last. */
  readonly trusts: ReadonlySet<string>;
  /** What it may show to others: the certificate that it ACKed, or all that were issued to it where that is not known. */
  readonly holds: readonly Leaf[];
  /** What it shows to Signet, if it keeps that in files of its own. */
  readonly shows: Leaf | undefined;
  /** What it said no with to the secrets that it was sent. */
  readonly refused: string | undefined;
  /** Another certificate than it ACKed that its Envoy says it holds. */
  readonly contradicted: string | undefined;
};

export type Waiting = {
  readonly node: string;
  readonly why: string;
  /** When the wait ends by itself at the latest; `undefined` if it is for the sidecar to act. */
  readonly until: Instant | undefined;
};

/** Whether the step may end now, and for whom it waits. */
export type Gate = { readonly open: boolean; readonly waitingFor: readonly Waiting[] };

/** Nobody is waited for longer in a step away from a compromised root: whoever has its key can act meanwhile. */
export const COMPROMISE_PATIENCE: Duration = 60_000;

/** Whether a leaf is not from the CA that comes. One of an unknown CA counts as such. */
export const isFromOther = ({ kind, to }: Pick<Rotation, 'kind' | 'to'>, leaf: Issuers): boolean =>
  (kind === 'intermediate' ? leaf.intermediate : leaf.root) !== to;

type Lack = { readonly why: string; readonly ends: Instant | undefined };

/** What one sidecar lacks for the step to end, and when that ends by itself. */
const lackOf = (rotation: Rotation, sidecar: SidecarFacts, now: Instant): Lack | undefined => {
  const { connected, trusts, holds, shows, refused, contradicted } = sidecar;
  // By another clock than this one it may go on for a while.
  const live = holds.filter(({ notAfter }) => connected || notAfter > now);
  // Who is connected has it renewed, whatever else it refuses.
  const lastEnd = (leaves: readonly Leaf[]): Instant | undefined =>
    connected ? undefined : Math.max(...leaves.map(({ notAfter }) => notAfter));
  const because = refused === undefined ? '' : `: it refused its secrets (${refused})`;
  if (rotation.step === 'distribute') {
    if (trusts.has(rotation.to) || (!connected && live.length === 0)) return undefined;
    return { why: `has not ACKed the bundle with the new root${because}`, ends: lastEnd(live) };
  }
  const others = live.filter((leaf) => isFromOther(rotation, leaf));
  if (others.length > 0) return { why: `may hold a certificate of the old one${because}`, ends: lastEnd(others) };
  if (contradicted !== undefined)
    return { why: `ACKed its certificate, and its Envoy still holds ${contradicted}`, ends: lastEnd(live) };
  const shown = shows !== undefined && shows.notAfter > now && isFromOther(rotation, shows);
  if (rotation.step === 'issue' || !shown) return undefined;
  return { why: 'shows Signet a client certificate of the old one', ends: shows.notAfter };
};

/** Until when it is waited for at most, the lack apart; `undefined`: without an end. */
const boundOf = (
  { kind, step, stepSince }: Rotation,
  { connected }: SidecarFacts,
  startedAt: Instant,
): Instant | undefined => {
  // Who is away has its certificate replaced when it comes back; only what it may hold until then can need the old one.
  if (step === 'issue' && !connected) return 0;
  if (kind !== 'compromise') return undefined;
  // Right after a start nobody is back yet, and that says nothing about them.
  return (connected ? Math.max(stepSince, startedAt) : startedAt) + COMPROMISE_PATIENCE;
};

/**
 * The gate of the plan's present step, from what is known of all sidecars. Leaves are issued at once to those that are
 * connected, and only `retire` waits for certificates of others. A compromised root waits for nobody for long.
 * `startedAt`: when this process began to look; before that sidecars had no time to come.
 */
export const gateOf = (
  rotation: Rotation,
  sidecars: readonly SidecarFacts[],
  now: Instant,
  startedAt: Instant = 0,
): Gate => {
  const waitingFor = sidecars.flatMap((sidecar): readonly Waiting[] => {
    const bound = boundOf(rotation, sidecar, startedAt);
    const lack = bound !== undefined && bound <= now ? undefined : lackOf(rotation, sidecar, now);
    if (lack === undefined) return [];
    const until = Math.min(bound ?? Number.POSITIVE_INFINITY, lack.ends ?? Number.POSITIVE_INFINITY);
    const why = `${lack.why}${sidecar.connected ? '' : ', and is away'}`;
    return [{ node: sidecar.node, why, until: Number.isFinite(until) ? until : undefined }];
  });
  return { open: waitingFor.length === 0 && !rotation.paused, waitingFor };
};

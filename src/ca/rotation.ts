import type { Instant } from '../lib/time.ts';

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

/** What is known of one sidecar, connected or away with a certificate that is still valid. */
export type SidecarFacts = {
  readonly node: string;
  readonly connected: boolean;
  /** Serials of the roots in the bundle that it ACKed last. */
  readonly trusts: ReadonlySet<string>;
  /** The certificate that it holds, ACKed, by the serials of its issuers; `undefined` if none was ACKed. */
  readonly holds: { readonly root: string; readonly intermediate: string; readonly notAfter: Instant } | undefined;
};

export type Waiting = {
  readonly node: string;
  readonly why: string;
  /** When the wait ends by itself at the latest; `undefined` if it is for the sidecar to act. */
  readonly until: Instant | undefined;
};

/** Whether the step may end now, and for whom it waits. */
export type Gate = { readonly open: boolean; readonly waitingFor: readonly Waiting[] };

/** A sidecar that is away is waited for only while its certificate lives. */
const isAlive = ({ connected, holds }: SidecarFacts, now: Instant): boolean =>
  connected || (holds !== undefined && holds.notAfter > now);

const untilOf = ({ connected, holds }: SidecarFacts): Instant | undefined => (connected ? undefined : holds?.notAfter);

const holdsOld = ({ kind, from }: Rotation, { holds }: SidecarFacts): boolean =>
  holds !== undefined && (kind === 'intermediate' ? holds.intermediate : holds.root) === from;

const missing = (rotation: Rotation, sidecar: SidecarFacts): string | undefined => {
  const away = sidecar.connected ? '' : ' and is away';
  if (rotation.step === 'distribute')
    return sidecar.trusts.has(rotation.to) ? undefined : `has not ACKed the bundle with the new root${away}`;
  return holdsOld(rotation, sidecar) ? `holds a certificate of the old one${away}` : undefined;
};

/**
 * The gate of the plan's present step, from what is known of all sidecars. Leaves are issued at once to those that are
 * connected, and only `retire` waits for certificates of others. A compromised root waits for nobody who is away: whoever
 * has its key can act meanwhile.
 */
export const gateOf = (rotation: Rotation, sidecars: readonly SidecarFacts[], now: Instant): Gate => {
  const { step, kind, paused } = rotation;
  const connectedOnly = step === 'issue' || kind === 'compromise';
  const waitingFor = sidecars
    .filter((sidecar) => (connectedOnly ? sidecar.connected : isAlive(sidecar, now)))
    .flatMap((sidecar): readonly Waiting[] => {
      const why = missing(rotation, sidecar);
      return why === undefined ? [] : [{ node: sidecar.node, why, until: untilOf(sidecar) }];
    });
  return { open: waitingFor.length === 0 && !paused, waitingFor };
};

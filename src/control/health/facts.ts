import type { Duration, Instant } from '../../lib/time.ts';
import type { Mesh, ServiceKey } from '../../model/mesh.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import type { X509Svid } from '../../spiffe/svid.ts';
import type { Progress } from '../../xds/sessionState.ts';
import type { Drift } from '../certificates/clockDrift.ts';
import type { ClockJump } from '../certificates/clockWatch.ts';
import type { HeldCertificate } from '../certificates/heldCertificates.ts';
import type { FailedRenewal } from '../certificates/renewals.ts';
import type { KeptReason } from '../departures.ts';
import type { MeshProblem } from '../meshSource.ts';
import type { QuarantineStatus } from '../quarantineStatus.ts';
import type { RevocationFacts } from '../revocation/revocation.ts';
import type { ChannelReport } from '../rotation/channel.ts';
import type { RotationReport } from '../rotation/loop.ts';

/** Everything that `signet check` judges, as one value of one moment. */
export type HealthFacts = ControlFacts & {
  readonly version: string;
  readonly authorities: readonly AuthorityFacts[];
  readonly rotation: RotationReport;
  readonly channel: ChannelReport;
  /** The signer of mesh.yaml. */
  readonly signer?: SignerFacts | undefined;
};

export type SignerFacts = {
  readonly name: string;
  readonly sign: 'intermediate' | 'leaves';
  readonly away: { readonly since: Instant; readonly why: string } | undefined;
  /** How often it was asked since Signet started, or since mesh.yaml names it. */
  readonly asked: number;
};

/** What the control plane itself knows of it. */
export type ControlFacts = {
  readonly now: Instant;
  readonly startedAt: Instant;
  /** The last commit, if the store refused it. */
  readonly storeTrouble: { readonly since: Instant; readonly message: string } | undefined;
  readonly file: FileFacts;
  readonly mesh: Mesh;
  /** Plans of this mesh are still being made for somebody. */
  readonly planning: boolean;
  readonly sidecars: readonly SidecarFacts[];
  /** What is kept from sidecars, those included that never saw it. */
  readonly quarantined: readonly QuarantineStatus[];
  /** Of which something is still refused. */
  readonly revocations: readonly RevocationFacts[];
  /** How many instances of each service callers are told of. */
  readonly registered: ReadonlyMap<ServiceKey, number>;
  /** Instances that callers are told of although their sidecar is not connected. */
  readonly kept: readonly KeptInstance[];
  /** Until when nothing is withdrawn because of the start; `undefined` once that is over. */
  readonly graceUntil: Instant | undefined;
  /** Certificates that are due and could not be replaced. */
  readonly failing: readonly FailedRenewal[];
  readonly clock: ClockFacts;
};

export type FileFacts = {
  readonly name: string;
  /** The disk holds something that was not looked at yet. */
  readonly unread: boolean;
  readonly problem: MeshProblem | undefined;
  /** As `signet validate` prints them. */
  readonly warnings: readonly string[];
};

export type SidecarFacts = {
  readonly node: string;
  /** The id of the token that it joined with. */
  readonly token: string;
  readonly peer: string;
  readonly progress: Progress;
  readonly progressSince: Instant;
  /** Short names of the types that were sent and not ACKed, or are still to be asked for. */
  readonly open: readonly string[];
  /** Refusals that stand, in the sidecar's words, with the lines of mesh.yaml behind them. */
  readonly refused: readonly { readonly type: string; readonly words: string }[];
  /** Why its newest configuration could not be made. */
  readonly trouble: string | undefined;
  /** The one that it uses, as far as is known: what it took last, else what it was sent. */
  readonly certificate: Pick<X509Svid, 'serial' | 'notBefore' | 'notAfter'> | undefined;
  /** Whom that certificate names. */
  readonly identity?: SpiffeId | undefined;
  /** What it says of the one that it was sent last. */
  readonly holding: Pick<HeldCertificate, 'state' | 'error'> | undefined;
};

export type KeptInstance = {
  readonly node: string;
  readonly service: ServiceKey;
  readonly leftAt: Instant;
  readonly why: KeptReason;
  /** When it may be withdrawn at the earliest; `undefined`: not before another instance of its service is live. */
  readonly until: Instant | undefined;
};

export type AuthorityFacts = {
  readonly role: 'root' | 'intermediate' | 'channel';
  readonly notBefore: Instant;
  readonly notAfter: Instant;
};

export type ClockFacts = {
  /** How much later it may be than this host's wall clock says, because that was set back. */
  readonly behind: Duration;
  readonly lastJump: ClockJump | undefined;
  readonly drifting: readonly Drift[];
  /** How many sidecars told their time lately. */
  readonly telling: number;
};

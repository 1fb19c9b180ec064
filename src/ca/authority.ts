import type { Secret } from '../lib/secret.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { CertificateFacts, Issuers, SlotFacts } from './facts.ts';
import type { ImportControl } from './importControl.ts';
import type { Rotation, RotationKind, RotationStep } from './rotation.ts';
import type { SignerControl } from './signerControl.ts';

export type { CertificateFacts, Issuers, SlotFacts } from './facts.ts';

/** The mesh's certificate authority: roots, issuing intermediates, leaves for workloads. */
export type Authority = {
  /** Every root that is trusted: prepared, active, old and tainted. Another object after each change of them. */
  readonly trustBundle: () => TrustBundle;
  /**
   * A new key and a certificate for it from the active intermediate, validated before it leaves. Never outlives its
   * issuer.
   */
  readonly issue: (id: SpiffeId, ttl: Duration, now: Instant) => X509Svid;
  readonly describe: () => AuthorityStatus;
};

/** An authority that keeps itself able to issue: what the SVID keeper asks before it issues and when it reads. */
export type IssuingAuthority = Authority & {
  /**
   * To be awaited before `issue`: signs the next intermediate when the present one is past half of its life, could not
   * cover a leaf of `ttl` or is of the name that the mesh had before, and commits it before it is used.
   */
  readonly prepare: (ttl: Duration, now: Instant) => Promise<void>;
  /**
   * A certificate from whoever signs them: `prepare` and `issue`, or the signer of mesh.yaml where that signs the leaves.
   * @throws AppError those of `issue`; `signer_away`, `signer_failed`, `root_not_distributed`; the store's
   */
  readonly obtain: (id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  /** Whether a stored SVID chains to a trusted root by an intermediate that has not expired and is not revoked. */
  readonly vouchesFor: (svid: X509Svid, now: Instant) => boolean;
  /** Whether one of its own leaves may be handed out again: not if its CA was compromised or is gone. */
  readonly mayServe: (svid: X509Svid) => boolean;
  /** The CAs above one of its own leaves. */
  readonly issuersOf: (svid: X509Svid) => Issuers | undefined;
};

/**
 * The rotation of the mesh's roots and intermediates. Each call is one guarded commit, and holds when its promise resolves.
 * All throw AppError `rotation_refused` where a rule forbids it, and the store's.
 */
export type RotationControl = {
  /** The plan that is running. */
  readonly plan: () => Rotation | undefined;
  /** Makes the new CAs and begins; nothing new signs before the first gate, but a new intermediate, which leaves carry. */
  readonly start: (kind: RotationKind, reason: string, now: Instant) => Promise<void>;
  /** Ends a step whose gate was seen open. */
  readonly advance: (at: { readonly id: string; readonly step: RotationStep }, now: Instant) => Promise<void>;
  readonly pause: (now: Instant) => Promise<void>;
  readonly resume: (now: Instant) => Promise<void>;
  /** Back to the old one. */
  readonly abort: (reason: string, now: Instant) => Promise<void>;
  /** Swaps this generation and the one before it; a plan in it is paused. Also throws `ca_nothing_before`, `ca_corrupt`. */
  readonly restorePrevious: (now: Instant) => Promise<void>;
};

/** A CA by its subject. */
export type Prepared = { readonly kind: 'root' | 'intermediate'; readonly subject: string };

export type MeshAuthority = IssuingAuthority & {
  /** Why the mesh cannot take this name: a CA above its leaves that stays may not sign for it. */
  readonly renameFault: (name: TrustDomain) => string | undefined;
  readonly rotation: RotationControl;
  readonly imports: ImportControl;
  readonly tend: SignerControl['tend'];
  /** Roots of the certificates that clients show to Signet: those that are trusted, without tainted ones. */
  readonly clientAnchors: () => readonly string[];
  /** When the next root is due, for roots that are to live so long: at 80 % of it, or of what the active one has. */
  readonly rootDue: () => Instant;
  /** When a rotation was aborted last. */
  readonly abortedAt: () => Instant | undefined;
  /** Whether Signet can make that root: it has the key of the present one. */
  readonly rootIsOwn: () => boolean;
  /** What was signed elsewhere and is brought into use by the next rotation. */
  readonly prepared: () => Prepared | undefined;
};

export type AuthorityStatus = {
  readonly trustDomain: TrustDomain;
  /** Counts the commits of the authority's state. */
  readonly generation: number;
  /** The active ones. */
  readonly root: CertificateFacts;
  readonly intermediate: CertificateFacts;
  /** All, roots first, in the order in which they were made. */
  readonly slots: readonly SlotFacts[];
  /** The signer of mesh.yaml. */
  readonly signer?: ReturnType<SignerControl['status']>;
  /** Since when a request for an intermediate waits for its chain. */
  readonly requested?: Instant | undefined;
};

export type ServerCredentials = { readonly chainPem: string; readonly keyPem: Secret; readonly notAfter: Instant };

/** The channel CA: anchors the stream between sidecars and Signet, and nothing else. */
export type ChannelAuthority = {
  /** PEM of every trusted anchor, for every bootstrap. */
  readonly anchor: () => string;
  /** What the control plane may call itself, for every bootstrap: `spiffe://TD/signet/control-plane` of each trusted anchor. */
  readonly serverIds: () => readonly SpiffeId[];
  /** The control plane's own certificate and key for its TLS listener, from the active anchor and by its trust domain. */
  readonly serverCredentials: (now: Instant) => ServerCredentials;
  /** The same from every anchor that may sign, the oldest first: whoever knows only that one is shown its certificate. */
  readonly credentialsByAnchor: (now: Instant) => readonly (ServerCredentials & { readonly anchorPem: string })[];
  /** The active anchor. */
  readonly describe: () => CertificateFacts;
  readonly slots: () => readonly SlotFacts[];
  /** Counts the commits. */
  readonly generation: () => number;
  readonly rotation: ChannelRotation;
};

/**
 * A bootstrap pins its anchors for as long as it is used, so a new anchor first stands in new bootstraps beside the old
 * one, and signs only when every sidecar has such a bootstrap. Throws as `RotationControl` does.
 */
export type ChannelRotation = {
  /** A new anchor, in every bootstrap from now on. */
  readonly prepare: (now: Instant) => Promise<void>;
  /** The server certificate comes from the prepared anchor from now on. */
  readonly activate: (now: Instant) => Promise<void>;
  /** Back to the old anchor; a prepared one is dropped. */
  readonly abort: (now: Instant) => Promise<void>;
  /** Old anchors leave the bootstraps. */
  readonly retire: (now: Instant) => Promise<void>;
  readonly restorePrevious: (now: Instant) => Promise<void>;
};

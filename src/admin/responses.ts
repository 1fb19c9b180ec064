import type { Diagnostic } from '../lib/diagnostic.ts';

/** What the admin API answers, moments as ISO 8601 in UTC. `-o json` of the commands prints these shapes. */
export type TokenCreated = {
  readonly id: string;
  readonly token: string;
  readonly service: string;
  readonly expires: string;
  readonly uses: number;
};

export type TokenListed = {
  readonly id: string;
  readonly service: string;
  readonly createdAt: string;
  readonly expires: string;
  readonly uses: number;
  readonly joined: number;
  readonly revokedAt: string | null;
  readonly instances: readonly { readonly node: string; readonly joinedAt: string; readonly lastSeen: string }[];
};

export type TokenList = { readonly tokens: readonly TokenListed[] };

export type BootstrapMade = {
  /** The node id inside. */
  readonly node: string;
  /** A whole Envoy bootstrap. It holds a join token: a secret. */
  readonly bootstrap: Readonly<Record<string, unknown>>;
  /** How to start Envoy with it; `F` stands for the file. */
  readonly command: string;
  /** Where a client certificate was asked for: how to have it. It holds a join token: a secret. */
  readonly join?: {
    readonly token: string;
    readonly xds: { readonly host: string; readonly port: number };
    readonly anchorPem: string;
    readonly serverIds: readonly string[];
  };
};

/** Where sidecars find Signet, and how they know it. */
export type XdsAnswer = {
  /** `null` if Signet listens on all addresses and cannot know theirs. */
  readonly address: { readonly host: string; readonly port: number } | null;
  readonly anchorPem: string;
  readonly serverIds: readonly string[];
};

export type MeshAnswer = {
  readonly file: string;
  readonly revision: string;
  readonly trustDomain: string;
  readonly loadedAt: string;
  readonly services: readonly string[];
  readonly warnings: readonly Diagnostic[];
  /** Why the file on disk is not what is served; `null` if it is. */
  readonly problem: {
    readonly since: string;
    readonly message: string;
    readonly diagnostics: readonly Diagnostic[];
  } | null;
};

export type CertificateAnswer = {
  readonly subject: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  readonly fingerprint: string;
};

export type CaAnswer = {
  readonly trustDomain: string;
  readonly aliases: readonly string[];
  readonly trusted: readonly {
    readonly trustDomain: string;
    readonly file: string;
    readonly roots: number;
    readonly notAfter: string;
  }[];
  readonly root: CertificateAnswer;
  readonly intermediate: CertificateAnswer;
  readonly channel: CertificateAnswer;
  readonly generation: number;
  readonly slots: readonly SlotAnswer[];
  /** The rotation that is running; `signet ca rotate` says more. */
  readonly rotation: {
    readonly id: string;
    readonly kind: 'root' | 'intermediate' | 'compromise';
    readonly step: 'distribute' | 'issue' | 'retire';
    readonly paused: boolean;
    readonly waitingFor: number;
  } | null;
  /** The signer that mesh.yaml names. */
  readonly signer: {
    readonly name: string;
    readonly sign: 'intermediate' | 'leaves';
    readonly away: { readonly since: string; readonly why: string } | null;
  } | null;
  /** A request for an intermediate whose chain was not imported yet. */
  readonly request: { readonly since: string } | null;
};

export type CsrAnswer = { readonly csr: string; readonly since: string };

export type ImportAnswer = {
  readonly root: CertificateAnswer;
  readonly rootIsNew: boolean;
  readonly intermediate: CertificateAnswer;
};

export type SlotAnswer = CertificateAnswer & {
  readonly kind: 'root' | 'intermediate' | 'channel';
  readonly state: 'prepared' | 'active' | 'old' | 'tainted' | 'revoked';
  readonly since: string | null;
  readonly root: string;
};

export type BundleAnswer = {
  readonly trustDomain: string;
  readonly sequence: number;
  readonly authorities: readonly string[];
};

export type RenewAnswer = {
  readonly renewed: readonly { readonly node: string; readonly serial: string; readonly notAfter: string }[];
};

/** What `signet ca restore -o json` prints; no server is asked. */
export type RestoreAnswer = {
  readonly restored: readonly {
    readonly document: 'mesh' | 'channel';
    readonly broken: string | null;
    readonly generation: number;
    readonly cas: readonly SlotAnswer[];
  }[];
};

export type IssuedAnswer = {
  readonly node: string;
  readonly identity: string;
  readonly serial: string;
  /** Serials of the intermediate that signed it, and of the root above; `null` where that is not known any more. */
  readonly issuer: string | null;
  readonly root: string | null;
  readonly notBefore: string | null;
  readonly notAfter: string;
  readonly secondsLeft: number;
  readonly state: 'held' | 'sent' | 'refused' | 'earlier' | 'away' | 'revoked';
};

export type IssuedListAnswer = {
  readonly at: string;
  readonly trustDomain: string;
  readonly certificates: readonly IssuedAnswer[];
};

export type ErrorAnswer = { readonly error: { readonly code: string; readonly message: string } };

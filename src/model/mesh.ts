import type { Curve, MeshSigner } from '../features/certificates/spec.ts';
import type { Location } from '../lib/diagnostic.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { OwnDomains, SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle } from '../spiffe/svid.ts';
import type { Rule } from './rule.ts';

/** `NAMESPACE/NAME` of a service. */
export type ServiceKey = `${string}/${string}`;

/** The validated intent: frozen, defaults applied, every reference resolved. */
export type Mesh = {
  /** Hash of everything that the file says; equal files have equal revisions. */
  readonly revision: string;
  readonly trustDomain: TrustDomain;
  /** Other names of it: an identity has the same path in each of them. */
  readonly trustDomainAliases: readonly TrustDomain[];
  /** Other trust domains whose certificates are believed. In the order of their names. */
  readonly trust: readonly TrustedDomain[];
  readonly certificates: {
    readonly ttl: Duration;
    readonly curve: Curve;
    readonly rootLife: Duration;
    /** Absent: a root of Signet's own. */
    readonly signer?: MeshSigner;
  };
  /** For how long an instance that was away may come back with its token. */
  readonly rejoin: Duration;
  /** In the order of the keys. */
  readonly services: ReadonlyMap<ServiceKey, Service>;
};

/** A trust domain of somebody else, with the roots that may speak for it and for nobody else. */
export type TrustedDomain = TrustBundle & {
  /** When each authority ends. */
  readonly ends: readonly Instant[];
  /** Of the bundle: grows with every change of it. Absent where it does not say. */
  readonly sequence?: number;
  /** The bundle's file, as it is written. */
  readonly file: string;
  readonly location: Location;
};

/** The mesh's trust domain, then its aliases. */
export const ownDomains = ({ trustDomain, trustDomainAliases }: Mesh): OwnDomains => [
  trustDomain,
  ...trustDomainAliases,
];

export type Service = {
  readonly key: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  readonly identity: SpiffeId;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly Port[];
  readonly uses: readonly Use[];
  readonly endpoints: Endpoints;
  /** Every rule that applies to this service: the mesh's, then the namespace's, then its own. */
  readonly rules: readonly Rule[];
  readonly location: Location;
};

export type Protocol = 'http' | 'http2' | 'grpc' | 'tcp';

export type Port = {
  readonly name: string;
  readonly port: number;
  readonly target: Target;
  readonly protocol: Protocol;
  /** What is in force here: port, service, namespace and mesh already weighed, the narrowest first. */
  readonly mtls: Mtls;
  /** The verdict where no allow rule is written for this port. */
  readonly authorization: { readonly verdict: 'deny' | 'allow'; readonly location: Location };
  /** Path bytes that are refused elsewhere but that this port's app means, for example `;`. */
  readonly pathsMayHold: readonly PathRisk[];
  readonly location: Location;
};

/** Ways to write a path that an app may read differently than Signet: `;`, escaped `/` or `\`, escaped `%`, controls. */
export type PathRisk = ';' | '%2F' | '%5C' | '%25' | 'control';

export type Target =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** `location` is the line that decides, the mesh's first line where it is the default. */
export type Mtls =
  | { readonly mode: 'strict' | 'disable'; readonly location: Location }
  | { readonly mode: 'permissive'; readonly until: Instant; readonly then: 'strict'; readonly location: Location };

export type Endpoints =
  | { readonly kind: 'auto' }
  | { readonly kind: 'static'; readonly endpoints: readonly StaticEndpoint[] };

export type StaticEndpoint = {
  /** An IP address or a DNS name. */
  readonly address: string;
  /** Port of the mesh by name → port at this address, where it differs from the declared one. */
  readonly ports: Readonly<Record<string, number>>;
  /** `disable`: no sidecar stands here and it is called in plaintext. */
  readonly mtls: 'sidecar' | 'disable';
};

/** A declared call: this service may be told about that port, and may have a local port for it. */
export type Use = {
  readonly service: ServiceKey;
  readonly port: number;
  /** On the outbound's host. */
  readonly localPort: number | undefined;
  readonly location: Location;
};

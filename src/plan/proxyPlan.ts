import type { Location } from '../lib/diagnostic.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { PathRisk, Protocol, ServiceKey, StaticEndpoint, Target } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';

/** Which sidecar: whose it is and where it listens. */
export type ProxyRef = {
  readonly service: ServiceKey;
  /** Where inbound listeners bind; `undefined` is every address. */
  readonly address: string | undefined;
  /** The shared outbound port. */
  readonly outbound: HostPort;
};

export type HostPort = { readonly host: string; readonly port: number };

/** A place where a service can be reached now, registered by its sidecar or written in the file. */
export type Endpoint = {
  readonly address: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly mtls: StaticEndpoint['mtls'];
};

/** Live endpoints by service; what is missing has none. */
export type EndpointTable = ReadonlyMap<ServiceKey, readonly Endpoint[]>;

export type MtlsMode = 'strict' | 'permissive' | 'disable';

/** What one proxy must do, references resolved and policies selected; no Envoy word in it. */
export type ProxyPlan = {
  readonly service: ServiceKey;
  readonly identity: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** It and its aliases. */
  readonly ownDomains: readonly TrustDomain[];
  /** Certificates of other trust domains are believed, too. */
  readonly federated: boolean;
  /** Life of a certificate, which also bounds held connections and streams. */
  readonly certificateTtl: Duration;
  readonly inbound: readonly InboundPort[];
  readonly upstreams: readonly Upstream[];
  readonly outbound: Outbound;
};

export type InboundPort = {
  readonly name: string;
  readonly bind: HostPort;
  readonly port: number;
  readonly protocol: Protocol;
  readonly target: Target;
  readonly mtls: MtlsMode;
  readonly access: Access;
  /** When its connections were to be cut last. */
  readonly cut: Instant | undefined;
  readonly location: Location;
};

/** What decides over the calls of one port: revoked certificates, deny rules, allow rules, then the default. Ended grants are kept for HTTP
 * (Envoy ends them itself) and dropped for TCP. */
export type Access = {
  /** SHA-256 digests of certificates that are refused before any rule is looked at. */
  readonly revoked: readonly string[];
  readonly deny: readonly Rule[];
  /** `'any'` where no allow rule is written and the mesh says `authorization: allow`. */
  readonly allow: readonly Rule[] | 'any';
  /** Path spellings answered 400; empty where no path rule is written for the port. */
  readonly refusedPaths: readonly PathRisk[];
};

/** What the file says of one port that others may call: nothing of its policies, nor of the lines where it stands. */
export type Declared = {
  readonly service: ServiceKey;
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly identity: SpiffeId;
};

/** One port of another service that this one is told about. */
export type Upstream = Declared & {
  /** Sidecars call strict and permissive ports with mTLS, and never fall back. */
  readonly tls: boolean;
  /** The same list while neither the mode nor the addresses change. */
  readonly endpoints: readonly { readonly address: string; readonly port: number; readonly tls: boolean }[];
  /** The same object as long as it says the same, whatever endpoints and policies do. */
  readonly declared: Declared;
  readonly location: Location;
};

export type Outbound = {
  readonly listen: HostPort;
  /** HTTP names on the shared port. */
  readonly routes: readonly { readonly hosts: readonly string[]; readonly upstream: UpstreamKey }[];
  /** Local ports from `uses`. */
  readonly local: readonly {
    readonly listen: HostPort;
    readonly protocol: Protocol;
    readonly upstream: UpstreamKey;
    readonly location: Location;
  }[];
};

/** `NS/NAME:PORT` */
export type UpstreamKey = `${string}/${string}:${number}`;

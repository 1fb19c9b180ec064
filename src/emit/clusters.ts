import { isIP } from 'node:net';
import { appClusterName, appStatName, upstreamClusterName } from '../envoy/names.ts';
import { bytesOf, duration, fromAds, type Part, packAny, pipeAddress, socketAddress } from '../envoy/pack.ts';
import { heldAgainst, upstreamTls } from '../features/mtls/envoy.ts';
import { Cluster, Cluster_DiscoveryType, Cluster_LbPolicy } from '../gen/envoy/config/cluster/v3/cluster.ts';
import type { Address } from '../gen/envoy/config/core/v3/address.ts';
import type { TransportSocket } from '../gen/envoy/config/core/v3/base.ts';
import { ClusterLoadAssignment } from '../gen/envoy/config/endpoint/v3/endpoint.ts';
import { Endpoint, LbEndpoint, LocalityLbEndpoints } from '../gen/envoy/config/endpoint/v3/endpoint_components.ts';
import { RawBuffer } from '../gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.ts';
import { HttpProtocolOptions } from '../gen/envoy/extensions/upstreams/http/v3/http_protocol_options.ts';
import type { Any } from '../gen/google/protobuf/any.ts';
import { showHostPort } from '../lib/hostPort.ts';
import { keepNewest } from '../lib/newest.ts';
import type { Duration } from '../lib/time.ts';
import type { Protocol } from '../model/mesh.ts';
import type { Declared, InboundPort, ProxyPlan, Upstream } from '../plan/proxyPlan.ts';
import { namesOf, trustDomainId } from '../spiffe/spiffeId.ts';
import { type Emitted, encode, encodeAs, encodeParts } from './emitted.ts';
import { type Made, once } from './once.ts';

const UNLIMITED = 0xffff_ffff;

// Envoy's 1,024 connections and requests are a safety net that nobody here asked for.
const CLUSTER: Cluster = Cluster.fromPartial({
  connectTimeout: duration(5_000),
  lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
  circuitBreakers: {
    thresholds: [
      { maxConnections: UNLIMITED, maxPendingRequests: UNLIMITED, maxRequests: UNLIMITED, maxRetries: UNLIMITED },
    ],
  },
});

/** Below the keep-alive of common servers (5 s in Node): a request on a connection that the app just closed fails. */
const APP_IDLE: Duration = 4_000;

/** The name of the cluster of the application behind a port. */
export const nameOfApp = ({ port, target }: InboundPort): string =>
  appClusterName(port, target.kind === 'unix' ? `unix:${target.path}` : showHostPort(target));

/** The application itself: loopback or a unix socket, always in plaintext. It says nothing of the service: many have the same. */
export const appCluster = (port: InboundPort): Emitted => {
  const name = nameOfApp(port);
  const key = `${name} ${port.protocol}`;
  const { type, version, any } = apps.get(key) ?? makeAppCluster(name, port);
  const emitted = { type, name, version, any, source: port.location };
  keepNewest(apps, key, emitted, MOST);
  return emitted;
};

const apps = new Map<string, Emitted>();
const MOST = 1_000;

const makeAppCluster = (name: string, port: InboundPort): Emitted => {
  const { target } = port;
  const address = target.kind === 'unix' ? pipeAddress(target.path) : socketAddress(target.host, target.port);
  const byName = target.kind === 'tcp' && isIP(target.host) === 0;
  const cluster: Cluster = {
    ...CLUSTER,
    name,
    altStatName: appStatName(port.port),
    clusterDiscoveryType: {
      $case: 'type',
      value: byName ? Cluster_DiscoveryType.STRICT_DNS : Cluster_DiscoveryType.STATIC,
    },
    loadAssignment: assignment(name, [{ address, tls: false }], false),
    typedExtensionProtocolOptions: protocolOptions(port.protocol, false, APP_IDLE),
  };
  return encode(Cluster, cluster, port.location);
};

/** How a cluster finds its endpoints; all that it says of them. */
export type Discovery = {
  /** EDS takes no DNS names; such endpoints stand in the cluster and Envoy resolves them. */
  readonly byName: boolean;
  /** Endpoints without a sidecar are told apart only where there are some. */
  readonly mixed: boolean;
};

export const discoveryOf = (upstream: Upstream): Discovery => {
  const known = discoveries.get(upstream);
  if (known !== undefined) return known;
  const { tls, endpoints } = upstream;
  const discovery = {
    byName: endpoints.some(({ address }) => isIP(address) === 0),
    mixed: tls && endpoints.some((endpoint) => !endpoint.tls),
  };
  discoveries.set(upstream, discovery);
  return discovery;
};

/** Asked for several times by each caller. */
const discoveries = new WeakMap<Upstream, Discovery>();

/** One port of another service. Its callers differ by what they show to it: the rest is encoded once for all of them. */
export const upstreamCluster = (plan: ProxyPlan, upstream: Upstream): Emitted => {
  const { byName, mixed } = discoveryOf(upstream);
  const name = upstreamClusterName(upstream.service, upstream.port);
  const shared = (): SharedParts => sharedPartsOf(name, plan, upstream);
  const context = [upstream.tls, mixed, ...plan.ownDomains].join(' ');
  const parts = (): readonly Part[] => {
    const { head, peer } = byName ? shared() : once(sharedParts, upstream.declared, context, shared);
    // In the order of the generated code, as if the whole were encoded at once.
    return peer === undefined ? [head, LAST] : [head, { field: 24, parts: upstreamTls(plan.identity, peer) }, LAST];
  };
  return encodeParts(Cluster, name, parts, upstream.location);
};

/** What stands before its transport socket, and for that what its callers hold it against: `undefined` for plaintext. */
type SharedParts = { readonly head: Buffer; readonly peer: Buffer | undefined };

const sharedParts: Made<Declared, SharedParts> = new WeakMap();

const sharedPartsOf = (name: string, plan: ProxyPlan, upstream: Upstream): SharedParts => {
  const { byName, mixed } = discoveryOf(upstream);
  const head: Cluster = {
    ...CLUSTER,
    name,
    clusterDiscoveryType: {
      $case: 'type',
      value: byName ? Cluster_DiscoveryType.STRICT_DNS : Cluster_DiscoveryType.EDS,
    },
    ...(byName
      ? { loadAssignment: upstreamAssignment(upstream) }
      : { edsClusterConfig: { edsConfig: fromAds(), serviceName: '' } }),
    // What matches nothing gets mTLS: only an endpoint that is marked is called in plaintext.
    transportSocketMatches: mixed ? [{ name: 'plaintext', match: { tls: 'none' }, transportSocket: PLAIN }] : [],
    typedExtensionProtocolOptions: protocolOptions(upstream.protocol, upstream.tls && !mixed, undefined),
  };
  return { head: bytesOf(Cluster, head), peer: upstream.tls ? peerOf(plan, upstream, mixed) : undefined };
};

const LAST = bytesOf(Cluster, Cluster.fromPartial({ ignoreHealthOnHostRemoval: true }));

/** Its endpoints, which are the same for every caller. */
export const upstreamEndpoints = (upstream: Upstream): Emitted => {
  const load = upstreamAssignment(upstream);
  return encodeAs(ClusterLoadAssignment, load.clusterName, load, upstream.location);
};

const upstreamAssignment = (upstream: Upstream): ClusterLoadAssignment => {
  const endpoints = upstream.endpoints.map(({ address, port, tls }) => ({
    address: socketAddress(address, port),
    tls,
  }));
  return assignment(upstreamClusterName(upstream.service, upstream.port), endpoints, discoveryOf(upstream).mixed);
};

const SOCKET = 'envoy.transport_socket_match';

const PLAIN: TransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  configType: { $case: 'typedConfig', value: packAny(RawBuffer, {}) },
};

const peerOf = (plan: ProxyPlan, upstream: Upstream, mixed: boolean): Buffer => {
  // As in `protocolOptions`: where plaintext has no ALPN, all speak HTTP/1.1, and none may be offered more.
  const http = mixed ? ['http/1.1'] : ['h2', 'http/1.1'];
  const alpn = upstream.protocol === 'tcp' ? [] : upstream.protocol === 'http' ? http : ['h2'];
  const peer = namesOf(upstream.identity, plan.ownDomains);
  // Servers are of this mesh: no other trust domain has a say here.
  return heldAgainst(trustDomainId(plan.trustDomain), peer, alpn);
};

type Destination = { readonly address: Address; readonly tls: boolean };

const ASSIGNMENT = ClusterLoadAssignment.fromPartial({});
const LOCALITY = LocalityLbEndpoints.fromPartial({});
const LB_ENDPOINT = LbEndpoint.fromPartial({});
const ENDPOINT = Endpoint.fromPartial({});
const PLAINTEXT = { filterMetadata: { [SOCKET]: { tls: 'none' } }, typedFilterMetadata: {} };

const assignment = (clusterName: string, endpoints: readonly Destination[], mixed: boolean): ClusterLoadAssignment => ({
  ...ASSIGNMENT,
  clusterName,
  endpoints: [
    {
      ...LOCALITY,
      lbEndpoints: endpoints.map(
        ({ address, tls }): LbEndpoint => ({
          ...LB_ENDPOINT,
          hostIdentifier: { $case: 'endpoint', value: { ...ENDPOINT, address } },
          ...(mixed && !tls ? { metadata: PLAINTEXT } : {}),
        }),
      ),
    },
  ],
});

const H2 = { $case: 'http2ProtocolOptions', value: { allowConnect: true } } as const;
const H1 = { $case: 'httpProtocolOptions', value: {} } as const;

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const protocolOptions = (
  protocol: Protocol,
  alpn: boolean,
  idle: Duration | undefined,
): Cluster['typedExtensionProtocolOptions'] => {
  if (protocol === 'tcp') return {};
  const key = `${protocol} ${alpn} ${idle}`;
  const options = optionsMade.get(key) ?? httpOptions(protocol, alpn, idle);
  optionsMade.set(key, options);
  return { [HTTP_OPTIONS]: options };
};

const optionsMade = new Map<string, Any>();

// http2 and grpc are HTTP/2 everywhere; http is HTTP/1.1 to apps, and between sidecars what ALPN finds, which is HTTP/2.
const httpOptions = (protocol: Protocol, alpn: boolean, idle: Duration | undefined): Any => {
  const explicit = { $case: 'explicitHttpConfig', value: { protocolConfig: protocol === 'http' ? H1 : H2 } } as const;
  const auto = { $case: 'autoConfig', value: { httpProtocolOptions: {}, http2ProtocolOptions: H2.value } } as const;
  const options = HttpProtocolOptions.fromPartial({
    upstreamProtocolOptions: protocol === 'http' && alpn ? auto : explicit,
    ...(idle === undefined ? {} : { commonHttpProtocolOptions: { idleTimeout: duration(idle) } }),
  });
  return packAny(HttpProtocolOptions, options);
};

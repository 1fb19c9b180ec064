import { isIP } from 'node:net';
import { upstreamClusterName } from '../envoy/names.ts';
import { fromAds, packAny, socketAddress } from '../envoy/pack.ts';
import { providedTls } from '../features/mtls/envoy.ts';
import { Cluster, Cluster_DiscoveryType } from '../gen/envoy/config/cluster/v3/cluster.ts';
import { ClusterLoadAssignment } from '../gen/envoy/config/endpoint/v3/endpoint.ts';
import { ApiListener } from '../gen/envoy/config/listener/v3/api_listener.ts';
import { Listener } from '../gen/envoy/config/listener/v3/listener.ts';
import { RouteConfiguration } from '../gen/envoy/config/route/v3/route.ts';
import { Route, VirtualHost } from '../gen/envoy/config/route/v3/route_components.ts';
import { HttpConnectionManager } from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.ts';
import type { ProxyPlan, Upstream } from '../plan/proxyPlan.ts';
import { namesOf } from '../spiffe/spiffeId.ts';
import { type Emitted, encode, encodeAs } from './emitted.ts';
import { outboundHttpFilters } from './httpChain.ts';

/**
 * What a gRPC client without a sidecar is told: for each name of an upstream that speaks HTTP/2 a listener called like the name
 * (`xds:///payments.prod`), and its cluster. It names what it wants; nothing else reaches it, and it serves nobody.
 * https://github.com/grpc/proposal/blob/master/A27-xds-global-load-balancing.md
 */
export const emitGrpcClient = (plan: ProxyPlan): readonly Emitted[] => {
  const upstreams = new Map(plan.upstreams.map((one) => [`${one.service}:${one.port}`, one]));
  return plan.outbound.routes.flatMap(({ hosts, upstream: key }) => {
    const upstream = upstreams.get(key);
    if (upstream === undefined || upstream.protocol === 'http') return [];
    return [...hosts.map((host) => listenerOf(host, upstream)), ...clusterOf(plan, upstream)];
  });
};

const listenerOf = (host: string, upstream: Upstream): Emitted => {
  const cluster = upstreamClusterName(upstream.service, upstream.port);
  const route = Route.fromPartial({
    match: { pathSpecifier: { $case: 'prefix', value: '' } },
    action: { $case: 'route', value: { clusterSpecifier: { $case: 'cluster', value: cluster } } },
  });
  const virtualHosts = [VirtualHost.fromPartial({ name: host, domains: ['*'], routes: [route] })];
  const manager = HttpConnectionManager.fromPartial({
    routeSpecifier: { $case: 'routeConfig', value: RouteConfiguration.fromPartial({ name: host, virtualHosts }) },
    httpFilters: outboundHttpFilters(),
  });
  const apiListener = ApiListener.fromPartial({ apiListener: packAny(HttpConnectionManager, manager) });
  return encode(Listener, Listener.fromPartial({ name: host, apiListener }), upstream.location);
};

/** gRPC dials IP addresses of EDS, all of a cluster in one way: endpoints that need another are left out. */
const clusterOf = (plan: ProxyPlan, upstream: Upstream): readonly Emitted[] => {
  const name = upstreamClusterName(upstream.service, upstream.port);
  const cluster = Cluster.fromPartial({
    name,
    clusterDiscoveryType: { $case: 'type', value: Cluster_DiscoveryType.EDS },
    edsClusterConfig: { edsConfig: fromAds() },
    ...(upstream.tls ? { transportSocket: providedTls(namesOf(upstream.identity, plan.ownDomains)) } : {}),
  });
  const endpoints = upstream.endpoints.filter(({ address, tls }) => tls === upstream.tls && isIP(address) !== 0);
  const assignment = ClusterLoadAssignment.fromPartial({
    clusterName: name,
    endpoints: [
      {
        // gRPC skips a locality that has no name or no weight.
        locality: {},
        loadBalancingWeight: 1,
        lbEndpoints: endpoints.map(({ address, port }) => ({
          hostIdentifier: { $case: 'endpoint' as const, value: { address: socketAddress(address, port) } },
        })),
      },
    ],
  });
  return [
    encode(Cluster, cluster, upstream.location),
    encodeAs(ClusterLoadAssignment, name, assignment, upstream.location),
  ];
};

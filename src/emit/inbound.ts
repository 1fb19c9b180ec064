import { inboundListenerName, inboundRouteName, RBAC_ALLOW, RBAC_DENY, RBAC_TRUST } from '../envoy/names.ts';
import { bytesOf, duration, type Part, packAny, socketAddress } from '../envoy/pack.ts';
import { allowAnyone, allowRules, denyRules, type RbacPort } from '../features/authorization/envoy.ts';
import { riskyPath } from '../features/authorization/envoyPath.ts';
import { downstreamTls } from '../features/mtls/envoy.ts';
import { cutMark, revokedPolicies } from '../features/revocation/envoy.ts';
import { oneNameTcp } from '../features/trust/envoy.ts';
import { Address } from '../gen/envoy/config/core/v3/address.ts';
import { TrafficDirection } from '../gen/envoy/config/core/v3/base.ts';
import { Listener } from '../gen/envoy/config/listener/v3/listener.ts';
import {
  type Filter,
  FilterChain,
  FilterChainMatch,
  type ListenerFilter,
} from '../gen/envoy/config/listener/v3/listener_components.ts';
import type { RBAC as Rules } from '../gen/envoy/config/rbac/v3/rbac.ts';
import { RouteConfiguration } from '../gen/envoy/config/route/v3/route.ts';
import { Route, RouteAction, RouteMatch, VirtualHost } from '../gen/envoy/config/route/v3/route_components.ts';
import { RBAC as HttpRbac, RBACPerRoute } from '../gen/envoy/extensions/filters/http/rbac/v3/rbac.ts';
import { TlsInspector } from '../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.ts';
import { RBAC as NetworkRbac, RBAC_EnforcementType } from '../gen/envoy/extensions/filters/network/rbac/v3/rbac.ts';
import { TcpProxy, UpstreamConnectMode } from '../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.ts';
import type { PathRisk } from '../model/mesh.ts';
import type { Access, InboundPort, ProxyPlan } from '../plan/proxyPlan.ts';
import { callersBundleId, type SpiffeId, trustDomainId } from '../spiffe/spiffeId.ts';
import { appCluster, nameOfApp } from './clusters.ts';
import { inboundHttp } from './connection.ts';
import { type Emitted, encodeParts } from './emitted.ts';
import { type Made, once } from './once.ts';
import { badHostRoute, type PerFilter, refusal } from './refusals.ts';

/**
 * The listener before one declared port. Instances of one service listen each at an address of its own: the rest is encoded once for all
 * of them, as long as what it says of the sidecar besides its plan (`context`) is the same.
 */
export const emitListener = (plan: ProxyPlan, port: InboundPort, context: string): readonly Emitted[] => {
  const name = inboundListenerName(port.port);
  const shared = (): SharedParts => ({
    head: listenerPart({ name }),
    rest: listenerPart(sharedFields(plan, port, rbacPort(plan, port))),
  });
  const parts = (): readonly Part[] => {
    const { head, rest } = once(sharedParts, port.access, `${context} ${port.mtls} ${port.cut}`, shared);
    const address = bytesOf(Address, socketAddress(port.bind.host, port.bind.port));
    // In the order of the generated code, as if the whole were encoded at once.
    return [head, { field: 2, parts: [address] }, rest];
  };
  return [encodeParts(Listener, name, parts, port.location)];
};

/** What stands before and behind its address. */
type SharedParts = { readonly head: Buffer; readonly rest: Buffer };

const sharedParts: Made<Access, SharedParts> = new WeakMap();

const LISTENER = Listener.fromPartial({});
const listenerPart = (part: Partial<Listener>): Buffer => bytesOf(Listener, { ...LISTENER, ...part });

/** What is behind it: the application's cluster and, for HTTP, the routes with the policy. They do not say where it listens. */
export const emitBehind = (plan: ProxyPlan, port: InboundPort): readonly Emitted[] => {
  const rbac = rbacPort(plan, port);
  return [appCluster(port), ...(rbac.http ? [routes(port, rbac)] : [])];
};

const rbacPort = ({ ownDomains }: ProxyPlan, { protocol }: InboundPort): RbacPort => ({
  ownDomains,
  // Also where none is taken: while the listener and the routes are not of one generation, neither may admit what both refuse.
  takesPlaintext: true,
  http: protocol !== 'tcp',
});

const sharedFields = (plan: ProxyPlan, port: InboundPort, rbac: RbacPort): Partial<Listener> => ({
  statPrefix: inboundListenerName(port.port),
  trafficDirection: TrafficDirection.INBOUND,
  // With SO_REUSEPORT the kernel would deal one port's connections to two identities; a taken port must be a NACK.
  enableReusePort: false,
  // Not before plaintext alone: it would wait for a first byte that server-first protocols never send.
  ...(port.mtls === 'disable' ? {} : { listenerFilters: [TLS_INSPECTOR] }),
  filterChains: filterChains(plan, port, rbac),
});

const FILTER_CHAIN = FilterChain.fromPartial({ transportSocketConnectTimeout: duration(10_000) });
const FILTER_CHAIN_MATCH = FilterChainMatch.fromPartial({});

// The mTLS chain is the same bytes in strict and permissive, so that going from one to the other leaves its connections
// alone: Envoy drains only chains that changed. What fits no chain is closed at once (`no_filter_chain_match`).
const filterChains = (plan: ProxyPlan, port: InboundPort, rbac: RbacPort): FilterChain[] => {
  const alpn = rbac.http ? ['h2', 'http/1.1'] : [];
  const chain = (mtls: boolean, transportProtocol?: string): FilterChain => ({
    ...FILTER_CHAIN,
    name: mtls ? 'mtls' : 'plaintext',
    filters: rbac.http
      ? [inboundHttp(port.port, { mtls, federated: plan.federated, certificateTtl: plan.certificateTtl })]
      : tcpFilters(plan, port, { ...rbac, takesPlaintext: !mtls }),
    ...(transportProtocol === undefined ? {} : { filterChainMatch: { ...FILTER_CHAIN_MATCH, transportProtocol } }),
    ...(mtls ? { transportSocket: downstreamTls(plan.identity, callersBundle(plan), alpn) } : {}),
    ...(mtls && port.cut !== undefined ? { metadata: cutMark(port.cut) } : {}),
  });
  switch (port.mtls) {
    case 'strict':
      return [chain(true, 'tls')];
    case 'disable':
      return [chain(false)];
    case 'permissive':
      return [chain(true, 'tls'), chain(false, 'raw_buffer')];
  }
};

/** Callers are held against the mesh's own bundle, or against all of them where others are trusted, too. */
const callersBundle = ({ trustDomain, federated }: ProxyPlan): SpiffeId =>
  federated ? callersBundleId(trustDomain) : trustDomainId(trustDomain);

const TLS_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  configType: { $case: 'typedConfig', value: packAny(TlsInspector, TlsInspector.fromPartial({})) },
  filterDisabled: undefined,
};

const networkFilter = (name: string, typedConfig: ReturnType<typeof packAny>): Filter => ({
  name,
  configType: { $case: 'typedConfig', value: typedConfig },
});

const tcpFilters = (plan: ProxyPlan, port: InboundPort, rbac: RbacPort): Filter[] => {
  const statPrefix = inboundListenerName(port.port);
  const rbacFilter = (name: string, rules: Rules): Filter =>
    networkFilter(
      name,
      packAny(
        NetworkRbac,
        NetworkRbac.fromPartial({
          statPrefix: `${statPrefix}.`,
          rules,
          enforcementType: RBAC_EnforcementType.ONE_TIME_ON_FIRST_BYTE,
        }),
      ),
    );
  const lifetime = duration(plan.certificateTtl);
  const { revoked, deny, allow } = port.access;
  const guarded = plan.federated && !rbac.takesPlaintext;
  return [
    ...(guarded
      ? [rbacFilter(RBAC_TRUST, oneNameTcp(plan.ownDomains, [...deny, ...(allow === 'any' ? [] : allow)]))]
      : []),
    // A digest in the plaintext chain would refuse nobody, and cut its connections.
    rbacFilter(RBAC_DENY, denyRules(deny, rbac, revokedPolicies(rbac.takesPlaintext ? [] : revoked))),
    rbacFilter(RBAC_ALLOW, allowRules(allow, rbac)),
    networkFilter(
      'envoy.filters.network.tcp_proxy',
      packAny(
        TcpProxy,
        TcpProxy.fromPartial({
          statPrefix,
          clusterSpecifier: { $case: 'cluster', value: nameOfApp(port) },
          maxDownstreamConnectionDuration: lifetime,
          maxDownstreamConnectionDurationJitterPercentage: { value: 10 },
          // The verdict falls on the caller's first byte. Connecting before it would hand a refused caller the banner
          // of a server that speaks first.
          upstreamConnectMode: UpstreamConnectMode.ON_DOWNSTREAM_DATA,
          maxEarlyDataBytes: 65_536,
        }),
      ),
    ),
  ];
};

/** Most routes of most ports are the same: those that only refuse are encoded once. */
const routes = (port: InboundPort, rbac: RbacPort): Emitted => {
  const name = inboundRouteName(port.port);
  // In the order of the generated code, as if the whole were encoded at once.
  const parts = (): readonly Part[] => [
    bytesOf(RouteConfiguration, { ...ROUTES, name }),
    {
      field: 2,
      // The whole policy travels here: a listener's own would reach live connections only after they drained.
      parts: [bytesOf(VirtualHost, { ...VIRTUAL_HOST, name, domains: ['*'] }), ...routesBehind(port, rbac)],
    },
  ];
  return encodeParts(RouteConfiguration, name, parts, port.location);
};

const routePart = (route: Route): Part => ({ field: 3, parts: [bytesOf(Route, route)] });

const routesBehind = (port: InboundPort, rbac: RbacPort): readonly Part[] => {
  const { revoked, deny, allow, refusedPaths } = port.access;
  const denied = revokedPolicies(revoked);
  const perFilter = revoked.length === 0 ? ADMITTED : admittedUnless(denied, rbac);
  return [
    revoked.length === 0 ? BAD_HOST : routePart(badHostRoute(perFilter)),
    ...(refusedPaths.length === 0 ? [] : [badPathRoute(refusedPaths, perFilter)]),
    routePart({
      ...ROUTE,
      action: {
        $case: 'route',
        value: { ...NO_TIMEOUT, clusterSpecifier: { $case: 'cluster', value: nameOfApp(port) } },
      },
      typedPerFilterConfig: {
        [RBAC_ALLOW]: perRoute(allowRules(allow, rbac)),
        [RBAC_DENY]: perRoute(denyRules(deny, rbac, denied)),
      },
    }),
  ];
};

const ROUTES = RouteConfiguration.fromPartial({});
const VIRTUAL_HOST = VirtualHost.fromPartial({});
const ROUTE = Route.fromPartial({ match: { pathSpecifier: { $case: 'prefix', value: '/' } } });
const NO_TIMEOUT = RouteAction.fromPartial({ timeout: duration(0) });

/** Spellings that an application may read as another path than the rules did. */
const badPathRoute = (risks: readonly PathRisk[], perFilter: PerFilter): Part => {
  if (perFilter !== ADMITTED) return makeBadPathRoute(risks, perFilter);
  const key = risks.join(' ');
  const route = badPaths.get(key) ?? makeBadPathRoute(risks, perFilter);
  badPaths.set(key, route);
  return route;
};

/** Most ports refuse the same spellings; there are five. */
const badPaths = new Map<string, Part>();

const makeBadPathRoute = (risks: readonly PathRisk[], perFilter: PerFilter): Part =>
  routePart(
    refusal(
      RouteMatch.fromPartial({ pathSpecifier: { $case: 'safeRegex', value: { regex: riskyPath(risks) } } }),
      TWO_READINGS,
      perFilter,
    ),
  );

// A revoked certificate is refused on every route.
const admittedUnless = (denied: ReturnType<typeof revokedPolicies>, rbac: RbacPort): PerFilter => ({
  ...ADMITTED,
  [RBAC_DENY]: perRoute(denyRules([], rbac, denied)),
});

const TWO_READINGS = 'signet: this path can be read in more than one way\n';

// Rules always stand in it: an empty RBACPerRoute turns the filter off.
const perRoute = (rules: Rules): ReturnType<typeof packAny> => packAny(RBACPerRoute, { rbac: { ...HTTP_RBAC, rules } });

const HTTP_RBAC = HttpRbac.fromPartial({});

// A route that only refuses needs no rule; the base would answer 403 before it.
const ADMITTED = { [RBAC_ALLOW]: perRoute(allowAnyone()) };
const BAD_HOST = routePart(badHostRoute(ADMITTED));

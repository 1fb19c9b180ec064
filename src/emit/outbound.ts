import {
  clashingListenerName,
  localRouteName,
  OUTBOUND_ROUTE_NAME,
  outboundListenerName,
  upstreamClusterName,
} from '../envoy/names.ts';
import { bytesOf, duration, packAny, socketAddress } from '../envoy/pack.ts';
import { TrafficDirection } from '../gen/envoy/config/core/v3/base.ts';
import { Listener } from '../gen/envoy/config/listener/v3/listener.ts';
import { type Filter, FilterChain } from '../gen/envoy/config/listener/v3/listener_components.ts';
import { RouteConfiguration } from '../gen/envoy/config/route/v3/route.ts';
import {
  DirectResponseAction,
  Route,
  RouteAction,
  VirtualHost,
} from '../gen/envoy/config/route/v3/route_components.ts';
import { TcpProxy } from '../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.ts';
import { PreviousHostsPredicate } from '../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.ts';
import { showHostPort } from '../lib/hostPort.ts';
import { keepNewest } from '../lib/newest.ts';
import type { HostPort, ProxyPlan, UpstreamKey } from '../plan/proxyPlan.ts';
import { outboundHttp } from './connection.ts';
import { type Emitted, encode, encodeParts } from './emitted.ts';
import { badHostRoute } from './refusals.ts';

/** The application's side: the shared port for HTTP names, and the local ports that it asked for. */
export const emitOutbound = (plan: ProxyPlan): readonly Emitted[] => {
  const { listen, routes, local } = plan.outbound;
  return [
    sharedListener(listen),
    encodeParts(RouteConfiguration, OUTBOUND_ROUTE_NAME, () => [NAME, ...routes.map(sharedRoute), UNKNOWN]),
    ...local.flatMap((entry) => emitLocal(entry, listen.port)),
  ];
};

const sharedRoutes = new Map<string, Buffer>();
const MOST_ROUTES = 5_000;

// The same for all callers of one namespace.
const sharedRoute = ({ hosts, upstream }: ProxyPlan['outbound']['routes'][number]): Buffer => {
  const key = `${upstream} ${hosts.join(' ')}`;
  const name = upstreamNameOf(upstream);
  const bytes = sharedRoutes.get(key) ?? routesPart({ virtualHosts: [virtualHost(name, hosts, name)] });
  keepNewest(sharedRoutes, key, bytes, MOST_ROUTES);
  return bytes;
};

const routesPart = (part: Partial<RouteConfiguration>): Buffer => bytesOf(RouteConfiguration, { ...ROUTES, ...part });

const sharedListeners = new Map<string, Emitted>();
// A sidecar names its own, as often anew as it likes.
const MOST = 1_000;

// All that it says of a service is in its routes: most sidecars of a mesh have the same one.
const sharedListener = (listen: HostPort): Emitted => {
  const key = showHostPort(listen);
  const known = sharedListeners.get(key);
  if (known !== undefined) return known;
  const fresh = encode(Listener, listener(listen, outboundHttp(OUTBOUND_ROUTE_NAME)));
  keepNewest(sharedListeners, key, fresh, MOST);
  return fresh;
};

const ROUTES = RouteConfiguration.fromPartial({});

type Local = ProxyPlan['outbound']['local'][number];

const emitLocal = ({ listen, protocol, upstream, location }: Local, shared: number): readonly Emitted[] => {
  const cluster = upstreamNameOf(upstream);
  // Under the shared port's own name it would take that one's place without a word; so it is a NACK with a name.
  const own = listen.port === shared ? clashingListenerName(listen.port) : outboundListenerName(listen.port);
  if (protocol === 'tcp') return [encode(Listener, listener(listen, tcpTo(cluster, listen), own), location)];
  const name = localRouteName(listen.port);
  const routes: RouteConfiguration = { ...ROUTES, name, virtualHosts: [virtualHost(cluster, ['*'], cluster)] };
  return [
    encode(Listener, listener(listen, outboundHttp(name), own), location),
    encode(RouteConfiguration, routes, location),
  ];
};

const upstreamNameOf = (key: UpstreamKey): string => {
  const colon = key.lastIndexOf(':');
  return upstreamClusterName(key.slice(0, colon), Number(key.slice(colon + 1)));
};

const listener = ({ host, port }: HostPort, filter: Filter, name = outboundListenerName(port)): Listener => ({
  ...LISTENER,
  name,
  statPrefix: outboundListenerName(port),
  address: socketAddress(host, port),
  filterChains: [{ ...FILTER_CHAIN, filters: [filter] }],
});

const LISTENER = Listener.fromPartial({
  trafficDirection: TrafficDirection.OUTBOUND,
  // Two sidecars behind one port would send one app's calls under the other's identity.
  enableReusePort: false,
});
const FILTER_CHAIN = FilterChain.fromPartial({});

const tcpTo = (cluster: string, { port }: HostPort): Filter => ({
  name: 'envoy.filters.network.tcp_proxy',
  configType: {
    $case: 'typedConfig',
    value: packAny(
      TcpProxy,
      TcpProxy.fromPartial({
        statPrefix: outboundListenerName(port),
        clusterSpecifier: { $case: 'cluster', value: cluster },
      }),
    ),
  },
});

const virtualHost = (name: string, domains: readonly string[], cluster: string): VirtualHost => ({
  ...VIRTUAL_HOST,
  name,
  domains: [...domains],
  routes: [
    // Names on the shared port are whole matches; a local port takes any.
    ...(domains.includes('*') ? [badHostRoute()] : []),
    {
      ...EVERY_PATH,
      action: { $case: 'route', value: { ...TO_UPSTREAM, clusterSpecifier: { $case: 'cluster', value: cluster } } },
    },
  ],
});

const VIRTUAL_HOST = VirtualHost.fromPartial({});
const EVERY_PATH = Route.fromPartial({ match: { pathSpecifier: { $case: 'prefix', value: '/' } } });

const TO_UPSTREAM = RouteAction.fromPartial({
  // Envoy's 15 s would cut slow answers; the stream's life is bounded by the certificate's at the server.
  timeout: duration(0),
  // Only what surely never reached an application, and then at another endpoint if there is one.
  retryPolicy: {
    retryOn: 'connect-failure,refused-stream,reset-before-request',
    numRetries: 2,
    retryHostPredicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        configType: { $case: 'typedConfig', value: packAny(PreviousHostsPredicate, {}) },
      },
    ],
    // Among two endpoints the idle one, which is the dead one, is drawn again and again.
    hostSelectionRetryMaxAttempts: 50n,
  },
});

// The same words whether the name exists or not: a service learns nothing of others.
const HINT =
  'signet: this name is no upstream of this service. Name it under `uses` in mesh.yaml, or let its owner allow the call; ' +
  'then call NAME, NAME.NAMESPACE or NAME.NAMESPACE.mesh, with :PORT if it has several.\n';

const UNKNOWN_NAME: VirtualHost = {
  ...VIRTUAL_HOST,
  name: 'unknown',
  domains: ['*'],
  routes: [
    {
      ...EVERY_PATH,
      action: {
        $case: 'directResponse',
        value: DirectResponseAction.fromPartial({
          status: 404,
          body: { specifier: { $case: 'inlineString', value: HINT } },
        }),
      },
    },
  ],
};

const NAME = routesPart({ name: OUTBOUND_ROUTE_NAME });
const UNKNOWN = routesPart({ virtualHosts: [UNKNOWN_NAME] });

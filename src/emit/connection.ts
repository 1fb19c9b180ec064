import { inboundRouteName } from '../envoy/names.ts';
import { duration, fromAds, packAny } from '../envoy/pack.ts';
import { HttpProtocolOptions } from '../gen/envoy/config/core/v3/protocol.ts';
import type { Filter } from '../gen/envoy/config/listener/v3/listener_components.ts';
import {
  HttpConnectionManager,
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_InternalAddressConfig,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManager_ServerHeaderTransformation,
} from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.ts';
import { keepNewest } from '../lib/newest.ts';
import type { Duration } from '../lib/time.ts';
import { inboundHttpFilters, outboundHttpFilters } from './httpChain.ts';

export const HTTP_CONNECTION_MANAGER = 'envoy.filters.network.http_connection_manager';

const httpFilter = (manager: HttpConnectionManager): Filter => ({
  name: HTTP_CONNECTION_MANAGER,
  configType: { $case: 'typedConfig', value: packAny(HttpConnectionManager, manager) },
});

const byRds = (routeConfigName: string) =>
  ({ $case: 'rds', value: { configSource: fromAds(), routeConfigName } }) as const;

// CONNECT stays refused on both sides; extended CONNECT carries WebSockets over HTTP/2 between two sidecars.
const MANAGER = HttpConnectionManager.fromPartial({
  upgradeConfigs: [{ upgradeType: 'websocket' }],
  http2ProtocolOptions: { allowConnect: true },
  stripTrailingHostDot: true,
  serverHeaderTransformation: HttpConnectionManager_ServerHeaderTransformation.PASS_THROUGH,
  forwardClientCertDetails: HttpConnectionManager_ForwardClientCertDetails.SANITIZE,
  // Envoy's five minutes would cut long polls and gRPC streams.
  streamIdleTimeout: duration(0),
});

const INBOUND: HttpConnectionManager = {
  ...MANAGER,
  normalizePath: true,
  mergeSlashes: true,
  // The routes answer these 400 where a path rule is written; there it changes without touching a connection.
  pathWithEscapedSlashesAction: HttpConnectionManager_PathWithEscapedSlashesAction.KEEP_UNCHANGED,
  useRemoteAddress: true,
  // Nobody is trusted for an address: all of x-envoy-* is removed from every caller.
  internalAddressConfig: HttpConnectionManager_InternalAddressConfig.fromPartial({}),
};

const HTTP_OPTIONS = HttpProtocolOptions.fromPartial({});

/** HTTP before an application. Paths are normalised first, so what the rules saw is what the application gets. */
export const inboundHttp = (port: number, options: InboundHttp): Filter => {
  const key = `${port} ${options.mtls} ${options.federated} ${options.certificateTtl}`;
  const known = inbounds.get(key) ?? makeInboundHttp(port, options);
  keepNewest(inbounds, key, known, MOST);
  return known;
};

type InboundHttp = { readonly mtls: boolean; readonly federated: boolean; readonly certificateTtl: Duration };

/** It says nothing of the service, and many services have the same port. */
const inbounds = new Map<string, Filter>();
const MOST = 1_000;

const makeInboundHttp = (port: number, { mtls, federated, certificateTtl }: InboundHttp): Filter =>
  httpFilter({
    ...INBOUND,
    statPrefix: inboundRouteName(port),
    routeSpecifier: byRds(inboundRouteName(port)),
    httpFilters: inboundHttpFilters(mtls, federated),
    // A connection or stream that lives on keeps the certificate that it began with: neither outlives that.
    commonHttpProtocolOptions: {
      ...HTTP_OPTIONS,
      maxConnectionDuration: duration(certificateTtl),
      maxStreamDuration: duration(certificateTtl),
    },
  });

/** HTTP from the application to its upstreams, routed by a route configuration of this name. */
export const outboundHttp = (routeName: string): Filter =>
  httpFilter({
    ...MANAGER,
    statPrefix: routeName,
    routeSpecifier: byRds(routeName),
    httpFilters: outboundHttpFilters(),
  });

import { RBAC_ALLOW, RBAC_DENY } from '../envoy/names.ts';
import { packAny } from '../envoy/pack.ts';
import { allowNobody, denyNobody } from '../features/authorization/envoy.ts';
import { callerHeaders } from '../features/mtls/envoy.ts';
import { HeaderMutation } from '../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation.ts';
import { RBAC } from '../gen/envoy/extensions/filters/http/rbac/v3/rbac.ts';
import { Router } from '../gen/envoy/extensions/filters/http/router/v3/router.ts';
import type { HttpFilter } from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.ts';

const filter = (name: string, typedConfig: ReturnType<typeof packAny>): HttpFilter => ({
  name,
  configType: { $case: 'typedConfig', value: typedConfig },
  isOptional: false,
  disabled: false,
});

const ROUTER = filter('envoy.filters.http.router', packAny(Router, Router.fromPartial({ suppressEnvoyHeaders: true })));

/**
 * The filters before an application, in the order in which they see a request. Policies are not here: they come with
 * the route (RBACPerRoute), so that a change is in force on the next request of a live connection. Without a route's
 * policy the base below lets nobody in.
 */
export const inboundHttpFilters = (mtls: boolean): HttpFilter[] => [
  mtls ? CALLER_HEADERS.mtls : CALLER_HEADERS.plaintext,
  BASE_DENY,
  BASE_ALLOW,
  ROUTER,
];

const callers = (mtls: boolean): HttpFilter =>
  filter('envoy.filters.http.header_mutation', packAny(HeaderMutation, callerHeaders(mtls)));

const CALLER_HEADERS = { mtls: callers(true), plaintext: callers(false) };
const BASE_DENY = filter(RBAC_DENY, packAny(RBAC, RBAC.fromPartial({ rules: denyNobody(), rulesStatPrefix: 'deny' })));
const BASE_ALLOW = filter(
  RBAC_ALLOW,
  packAny(RBAC, RBAC.fromPartial({ rules: allowNobody(), rulesStatPrefix: 'allow' })),
);

/** The filters between an application and its upstreams. */
export const outboundHttpFilters = (): HttpFilter[] => [ROUTER];

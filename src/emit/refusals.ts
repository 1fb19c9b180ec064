import { regexMatcher } from '../envoy/match.ts';
import { DirectResponseAction, Route, RouteMatch } from '../gen/envoy/config/route/v3/route_components.ts';

/** What a route says to the filters before it. */
export type PerFilter = NonNullable<Route['typedPerFilterConfig']>;

/** Answers 400 by itself to what it matches. `perFilter` lets it past filters that would refuse it first. */
export const refusal = (match: RouteMatch, words: string, perFilter: PerFilter = {}): Route => ({
  ...ROUTE,
  match,
  action: {
    $case: 'directResponse',
    value: DirectResponseAction.fromPartial({
      status: 400,
      body: { specifier: { $case: 'inlineString', value: words } },
    }),
  },
  typedPerFilterConfig: perFilter,
});

const ROUTE = Route.fromPartial({});

/**
 * Refuses two Hosts, which Envoy joins by a comma and each application reads in its own way, and an empty one, for
 * which the next Envoy would end the whole HTTP/2 connection (RFC 9110 §7.2).
 */
export const badHostRoute = (perFilter: PerFilter = {}): Route =>
  refusal(BAD_HOST, 'signet: a request names exactly one Host\n', perFilter);

const BAD_HOST = RouteMatch.fromPartial({
  pathSpecifier: { $case: 'prefix', value: '/' },
  headers: [{ name: ':authority', headerMatchSpecifier: { $case: 'stringMatch', value: regexMatcher('(?:.*,.*)?') } }],
});

import { holdingsOf, typeVersion, withChanges } from './holdings.ts';
import type { Standing } from './order.ts';
import type { Resource, TypeUrl } from './resource.ts';
import type { SessionRequest, SessionState } from './sessionState.ts';
import {
  changeSubscription,
  firstRequest,
  type InFlight,
  isWanted,
  type Naming,
  type TypeState,
  takesWildcard,
  WILDCARD,
} from './typeState.ts';

/*
 * What state of the world adds to the one session: requests hold all names each time, and responses for clusters and listeners
 * all resources each time. https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#grouping-resources-into-responses
 */

/** A response of this type says all there is, and what it leaves out is deleted. Other types cannot say that something left. */
const isWhole = (t: TypeState): boolean => t.sotw !== undefined && takesWildcard(t.url);

/** The first request for a type on a stream. */
export const firstNames = (url: TypeUrl, { names, version }: Naming): TypeState => {
  const type = firstRequest(url, { subscribe: names, unsubscribe: [], initialResourceVersions: new Map() });
  // Only of a wildcard is it known that the client asks for nothing that it has not got: what it names is sent again.
  const claimed = type.wildcard && version !== '' ? version : undefined;
  return { ...type, sotw: { named: names.length > 0, lastNonce: '', claimed, shelf: new Map() } };
};

/**
 * A request that was written before the client saw the newest response is not answered. Its names count as long as that response
 * is under way: a name that was dropped and taken up again in the meantime must be sent again, and the ACK would not tell.
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#resource-updates
 */
export const isStale = (t: TypeState, { nonce }: SessionRequest): boolean =>
  t.sotw !== undefined && t.inFlight === undefined && nonce !== t.sotw.lastNonce;

/** The subscription is now this list; only a list that was always empty may mean everything. */
export const changeNames = (before: TypeState, names: readonly string[]): TypeState => {
  const { sotw } = before;
  if (sotw === undefined || (names.length === 0 && !sotw.named)) return before;
  const asked = new Set(names);
  const wild = takesWildcard(before.url) && asked.has(WILDCARD);
  const isNew = (name: string): boolean => (name === WILDCARD && wild ? !before.wildcard : !before.names.has(name));
  const dropped = [...before.names].filter((name) => !asked.has(name));
  const type = changeSubscription(before, {
    subscribe: [...asked].filter(isNew),
    unsubscribe: before.wildcard && !wild ? [...dropped, WILDCARD] : dropped,
    initialResourceVersions: new Map(),
  });
  // Who goes on with a wildcard and drops a name still has all that it had.
  const owed = new Set(type.owed);
  for (const name of dropped) owed.delete(name);
  return { ...type, owed, sotw: { ...sotw, named: true, claimed: undefined } };
};

/** Clients that came back with the version of exactly what there is hold it, and are sent nothing. */
export const recognise = (before: SessionState): SessionState => {
  const { snapshot, variant } = before;
  if (variant === 'delta') return before;
  const isClaiming = (t: TypeState): boolean => t.sotw?.claimed !== undefined;
  if (snapshot === undefined || !before.types.some(isClaiming)) return before;
  const types = before.types.map((type, url) => {
    if (type.sotw?.claimed === undefined) return type;
    const shelf = snapshot.get(url) ?? new Map<string, Resource>();
    const held = holdingsOf([...shelf.values()].map((r) => [r.name, r.version] as const));
    const sotw = { ...type.sotw, claimed: undefined };
    const isSame = typeVersion(held) === type.sotw.claimed;
    return isSame ? { ...type, held, due: false, sotw: { ...sotw, shelf } } : { ...type, sotw };
  });
  return { ...before, types };
};

/** Endpoints, routes and secrets that left are not taken back: clusters and listeners that do not refer to them do that. */
export const forgetVanished = <S extends Pick<Standing, 'type' | 'needs'>>(standing: S): S => {
  const { type, needs } = standing;
  if (type.sotw === undefined || isWhole(type) || needs.removals.length === 0) return standing;
  const gone = new Set(needs.removals);
  const refused = new Map([...type.refused].filter(([name]) => !gone.has(name)));
  return {
    ...standing,
    type: { ...type, held: withChanges(type.held, [], gone), refused },
    needs: { ...needs, removals: [] },
  };
};

/** All clusters or listeners after this change, those included that stay as the client has them; else `undefined`. */
export const wholeAfter = (
  t: TypeState,
  news: readonly Resource[],
  removed: readonly string[],
): ReadonlyMap<string, Resource> | undefined => {
  if (t.sotw === undefined || !isWhole(t)) return undefined;
  const whole = new Map([...t.sotw.shelf].filter(([name]) => isWanted(t, name)));
  for (const name of removed) whole.delete(name);
  for (const resource of news) whole.set(resource.name, resource);
  return whole;
};

/** What the client took is what it has. */
export const shelfAfterAck = (t: TypeState, { whole }: InFlight): TypeState =>
  t.sotw === undefined || whole === undefined ? t : { ...t, sotw: { ...t.sotw, shelf: whole } };

/**
 * What it refused goes on in its last good form. Where there is none, what it refused by name is left out. What it refused without a
 * name is said again with the next change, refused or not: a client may have applied the good part of it, and leaving that out would
 * delete it.
 */
export const shelfAfterNack = (
  t: TypeState,
  { whole, removals }: InFlight,
  refusedByName: ReadonlySet<string>,
): TypeState => {
  if (t.sotw === undefined || whole === undefined) return t;
  const before = t.sotw.shelf;
  const shelf = new Map([...whole, ...before]);
  for (const name of removals) shelf.delete(name);
  for (const name of refusedByName) if (!before.has(name)) shelf.delete(name);
  return { ...t, sotw: { ...t.sotw, shelf } };
};

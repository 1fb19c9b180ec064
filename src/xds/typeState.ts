import type { Holdings } from './holdings.ts';
import { holdingsOf, NOTHING_HELD, withChanges } from './holdings.ts';
import { type Resource, TYPE, type TypeUrl } from './resource.ts';

/** One response that the client has neither ACKed nor NACKed yet. */
export type InFlight = {
  readonly nonce: string;
  /** The type's version once this response is applied. */
  readonly version: string;
  readonly upserts: ReadonlyMap<string, string>;
  readonly removals: readonly string[];
  /** What the client holds once it took this, where that is known already. */
  readonly after: Holdings | undefined;
  /** All that the response holds, where it is the whole state of its type. */
  readonly whole: ReadonlyMap<string, Resource> | undefined;
};

/** What only state of the world needs to know of a type. */
export type SotwType = {
  /** Names were given on this stream: from then on an empty list is no wildcard. */
  readonly named: boolean;
  /** That of the last response of this type; a request with any other is stale. */
  readonly lastNonce: string;
  /** The version that a client came back with, until there is a snapshot to hold it against. */
  readonly claimed: string | undefined;
  /**
   * Clusters or listeners as the client was last known to have them: for each name what it ACKed, or, where it never ACKed
   * any, what it was sent. The whole state must be said again for every change, what may not change yet included.
   */
  readonly shelf: ReadonlyMap<string, Resource>;
};

/** One resource type on one stream. The subscription is the same thing in delta and state of the world. */
export type TypeState = {
  readonly url: TypeUrl;
  readonly wildcard: boolean;
  /** Explicit subscriptions. */
  readonly names: ReadonlySet<string>;
  /** What the client ACKed on this stream or declared to hold when it came back. */
  readonly held: Holdings;
  /** Versions that it NACKed: never sent again until the content changes. */
  readonly refused: ReadonlyMap<string, string>;
  /** Asked for by name: answered even if unchanged, and before any order between types. */
  readonly owed: ReadonlySet<string>;
  /** A wildcard was just asked for: it is answered even if the answer is empty. */
  readonly due: boolean;
  readonly inFlight: InFlight | undefined;
  /** `undefined` in delta. */
  readonly sotw: SotwType | undefined;
};

/** What a request says about the subscription. */
export type Subscribing = {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialResourceVersions: ReadonlyMap<string, string>;
};

/** What a request of state of the world says of it: all names, and on a new stream the version that the client has from an earlier one. */
export type Naming = { readonly names: readonly string[]; readonly version: string };

export const WILDCARD = '*';

/** Wildcards exist for clusters and listeners only. https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return */
export const takesWildcard = (url: TypeUrl): boolean => url === TYPE.cds || url === TYPE.lds;

export const isWanted = (t: TypeState, name: string): boolean => t.wildcard || t.names.has(name);

/*
 * What comes with every push is written out, here and in the session: in a copy by spread each value that is replaced costs more than
 * all others together, in optimized code too.
 */

/** One for all streams: of what could be kept for a type, most stays empty. */
const NO_NAMES: ReadonlySet<string> = new Set();
const NOTHING_REFUSED: ReadonlyMap<string, string> = new Map();

const newType = (url: TypeUrl): TypeState => ({
  url,
  wildcard: false,
  names: NO_NAMES,
  held: NOTHING_HELD,
  refused: NOTHING_REFUSED,
  owed: NO_NAMES,
  due: false,
  inFlight: undefined,
  sotw: undefined,
});

/** The first request for a type on a stream. Only here does an empty list mean a wildcard, and do initial versions count. */
export const firstRequest = (url: TypeUrl, request: Subscribing): TypeState => {
  const legacy = takesWildcard(url) && request.subscribe.length === 0 && request.unsubscribe.length === 0;
  const blank = legacy ? { ...newType(url), wildcard: true, due: true } : newType(url);
  const asked = changeSubscription(blank, request);
  if (request.initialResourceVersions.size === 0) return asked;
  const declared = [...request.initialResourceVersions].filter(([name]) => isWanted(asked, name));
  if (declared.length === 0) return asked;
  const held = holdingsOf(declared);
  // What the client holds is not owed: only the differences are answered, in their order.
  return { ...asked, held, owed: only(asked.owed, (name) => !held.versions.has(name)), due: false };
};

/**
 * Subscribes and unsubscribes. A name that is subscribed again is owed again: the client may have forgotten it.
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#subscribing-to-resources
 */
export const changeSubscription = (before: TypeState, request: Subscribing): TypeState => {
  if (request.subscribe.length === 0 && request.unsubscribe.length === 0) return before;
  if (request.unsubscribe.length === 0 && before.names.size === 0 && !request.subscribe.includes(WILDCARD)) {
    // As nearly every stream begins with a type.
    const asked = new Set(request.subscribe);
    const { url, wildcard, held, refused, due, inFlight, sotw } = before;
    const owed = before.owed.size === 0 ? asked : new Set([...before.owed, ...asked]);
    return { url, wildcard, names: asked, held, refused, owed, due, inFlight, sotw };
  }
  const names = new Set(before.names);
  const owed = new Set(before.owed);
  let { wildcard, due } = before;
  for (const name of request.subscribe) {
    if (name === WILDCARD && takesWildcard(before.url)) {
      // Like a name that is subscribed again: what was sent may have been forgotten, acknowledged or not.
      const sent = [...before.held.versions.keys(), ...(before.inFlight?.upserts.keys() ?? [])];
      if (wildcard) for (const name of sent) owed.add(name);
      wildcard = true;
      due = true;
    } else {
      names.add(name);
      owed.add(name);
    }
  }
  for (const name of request.unsubscribe) {
    if (name === WILDCARD && takesWildcard(before.url)) {
      wildcard = false;
      due = false;
    } else if (names.delete(name)) {
      // Under a wildcard the client cannot know whether to keep it, so it must be told.
      if (wildcard) owed.add(name);
      else owed.delete(name);
    }
  }
  const { url, held, refused, sotw } = before;
  // What is dropped meanwhile is not held after an ACK.
  const inFlight = before.inFlight?.after === undefined ? before.inFlight : { ...before.inFlight, after: undefined };
  return forgetUnwanted({
    url,
    wildcard,
    names: names.size === 0 ? NO_NAMES : names,
    held,
    refused,
    owed,
    due,
    inFlight,
    sotw,
  });
};

const forgetUnwanted = (t: TypeState): TypeState => {
  const gone = [...t.held.versions.keys()].filter((name) => !isWanted(t, name));
  return {
    ...t,
    held: gone.length === 0 ? t.held : withChanges(t.held, [], gone),
    refused: t.refused.size === 0 ? t.refused : new Map([...t.refused].filter(([name]) => isWanted(t, name))),
    owed: only(t.owed, (name) => isWanted(t, name)),
  };
};

const only = (names: ReadonlySet<string>, test: (name: string) => boolean): ReadonlySet<string> => {
  const kept = [...names].filter(test);
  if (kept.length === 0) return NO_NAMES;
  return kept.length === names.size ? names : new Set(kept);
};

/** A client that takes the last good form of a resource once more has not taken what it refused. */
const forgive = (refused: Map<string, string>, name: string, taken: string): void => {
  if (refused.get(name) === taken) refused.delete(name);
};

const stillRefused = (t: TypeState, acked: InFlight): ReadonlyMap<string, string> => {
  if (t.refused.size === 0) return t.refused;
  const refused = new Map(t.refused);
  for (const [name, version] of acked.upserts) forgive(refused, name, version);
  for (const name of acked.removals) refused.delete(name);
  return refused;
};

const wantedOf = (t: TypeState, upserts: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  if (t.wildcard) return upserts;
  for (const name of upserts.keys()) {
    if (!t.names.has(name)) return new Map([...upserts].filter(([wanted]) => t.names.has(wanted)));
  }
  return upserts;
};

/** The client applied the response in flight. */
export const afterAck = (t: TypeState, acked: InFlight): TypeState => {
  const { url, wildcard, names, owed, due, sotw } = t;
  const held = acked.after ?? withChanges(t.held, wantedOf(t, acked.upserts), acked.removals);
  return { url, wildcard, names, held, refused: stillRefused(t, acked), owed, due, inFlight: undefined, sotw };
};

/** The client has this name in a version that nobody can tell: it is sent again, or removed. */
const UNKNOWN_VERSION = '';

/**
 * The client refused the response in flight: `refused` of it, and took the rest. Envoy may have applied a part of what it refused, so
 * those names count as neither held nor free: another content, the one that was held before included, is sent when it comes. The rest
 * is sent once more without them, and then its ACK is certain. Each round has fewer names, so it comes to an end.
 */
export const afterNack = (t: TypeState, nacked: InFlight, refusedNames: ReadonlySet<string>): TypeState => {
  const refused = new Map(t.refused);
  const spared: [string, string][] = [];
  for (const [name, version] of nacked.upserts) {
    if (!isWanted(t, name)) continue;
    if (refusedNames.has(name)) refused.set(name, version);
    else {
      forgive(refused, name, version);
      spared.push([name, UNKNOWN_VERSION]);
    }
  }
  const held = withChanges(t.held, spared, nacked.removals);
  return { ...t, held, refused, inFlight: undefined };
};

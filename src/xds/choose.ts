import { difference, isEmpty, type Needs, NO_NEEDS } from './difference.ts';
import { endpointsInView, isRefreshing, NO_NAMES, refreshAfter } from './endpoints.ts';
import { afterTaking, holdingsOfAll, typeVersion, versionAfter } from './holdings.ts';
import { type Gates, SENDING_ORDER, type Standing, type Standings, sendable } from './order.ts';
import { type Resource, type Snapshot, TYPE, type TypeUrl } from './resource.ts';
import type { Progress, SessionResponse, SessionState } from './sessionState.ts';
import { forgetVanished, wholeAfter } from './stateOfTheWorld.ts';
import type { InFlight, TypeState } from './typeState.ts';

/** What the session does next, seen from its newest state. */
export type Choice = { readonly state: SessionState; readonly response: SessionResponse | undefined };

const NO_RESOURCES: ReadonlyMap<string, Resource> = new Map();

/** Picks at most one response: the first in order that may be sent now. Everything is measured against the newest snapshot. */
export const choose = (before: SessionState): Choice => {
  const { snapshot } = before;
  if (snapshot === undefined) return { state: before, response: undefined };
  const standings = standingsOf(before, snapshot);
  const outline = outlineOf(standings);
  if (outline.lacking === 0) return { state: afterAll(before, standings, outline), response: undefined };
  const { refresh: refreshed, impatient: tired, returning } = before;
  const gates: Gates = { refreshing: isRefreshing(before), refresh: refreshed, impatient: tired, returning };
  const next = before.writing ? undefined : nextToSend(standings, gates);
  const types = typesOf(before, standings);
  const isLast = next !== undefined && outline.open === 1 && next.needs === next.standing.needs;
  const holding = isLast ? returning : isHolding(standings, gates);
  const impatient = before.impatient && referrersLack(standings);
  if (next === undefined) {
    const progress = progressOf(standings);
    return { state: stateAfter(before, types, standings, holding, impatient, progress), response: undefined };
  }
  const { type, response } = send(before, next);
  const { upserts, removals } = type.inFlight;
  const refresh = refreshAfter(before.refresh, snapshot, type.url, upserts, removals);
  const { variant, noncePrefix, nonces, leaving } = before;
  const state: SessionState = {
    variant,
    noncePrefix,
    snapshot,
    types: types.with(type.url, type),
    standings: standingsAfter(standings, next, type, refresh),
    nonces: nonces + 1,
    writing: true,
    refresh,
    leaving,
    holding,
    impatient,
    returning,
    progress: 'pending',
    calm: outline.open === 1 && !holding && !impatient && refresh.size === 0 && leaving.size === 0,
  };
  return { state, response };
};

/** The state of a stream that is sent nothing now. */
const stateAfter = (
  { variant, noncePrefix, snapshot, nonces, writing, refresh, leaving, returning }: SessionState,
  types: SessionState['types'],
  standings: Standings,
  holding: boolean,
  impatient: boolean,
  progress: Progress,
): SessionState => ({
  variant,
  noncePrefix,
  snapshot,
  types,
  standings,
  nonces,
  writing,
  refresh,
  leaving,
  holding,
  impatient,
  returning,
  progress,
  calm: false,
});

/** All standings at one glance: most turns of a stream leave nothing to be sent, and then there is nothing to order. */
type Outline = {
  /** Types of which something is to be sent or waited for. */
  readonly open: number;
  /** Types of which the client lacks something that was not sent. */
  readonly lacking: number;
  readonly refuses: boolean;
};

const outlineOf = (standings: Standings): Outline => {
  let open = 0;
  let lacking = 0;
  let refuses = false;
  for (let at = 0; at < standings.size; at += 1) {
    const standing = standings.valueAt(at);
    if (standing.refuses) refuses = true;
    if (standing.quiet) continue;
    open += 1;
    if (standing.type.due || !isEmpty(standing.needs)) lacking += 1;
  }
  return { open, lacking, refuses };
};

const afterAll = (before: SessionState, standings: Standings, { open, refuses }: Outline): SessionState => {
  const progress = open > 0 || standings.size === 0 ? 'pending' : refuses ? 'refused' : 'settled';
  return stateAfter(before, typesOf(before, standings), standings, before.returning, false, progress);
};

/** Only what changed since the last turn is compared again: most turns concern one type, and none of its neighbours. */
const standingsOf = (s: SessionState, snapshot: Snapshot): Standings => {
  let { standings } = s;
  for (let at = 0; at < s.types.size; at += 1) {
    const type = s.types.valueAt(at);
    const { url } = type;
    const refresh = url === TYPE.eds ? s.refresh : NO_NAMES;
    const resources = url === TYPE.eds ? endpointsInView(s) : snapshot.get(url);
    const known = s.standings.get(url);
    if (known !== undefined && known.resources === resources && known.refresh === refresh) {
      if (known.type === type) continue;
      if (known.sentAll && tookAll(known.type, type)) {
        standings = standings.with(url, {
          type,
          resources,
          refresh,
          needs: NO_NEEDS,
          quiet: true,
          refuses: false,
          sentAll: false,
        });
        continue;
      }
    }
    const needs = difference(type, resources ?? NO_RESOURCES, refresh);
    standings = standings.with(url, standingOf(forgetVanished({ type, needs }), resources, refresh));
  }
  return standings;
};

/** The client ACKed what was under way, and said nothing else meanwhile. */
const tookAll = (before: TypeState, { held, inFlight, names, wildcard, due, owed, refused }: TypeState): boolean =>
  inFlight === undefined &&
  before.inFlight !== undefined &&
  held === before.inFlight.after &&
  names === before.names &&
  wildcard === before.wildcard &&
  !due &&
  owed.size === 0 &&
  before.refused.size === 0 &&
  refused.size === 0;

const standingOf = (
  { type, needs }: Pick<Standing, 'type' | 'needs'>,
  resources: Standing['resources'],
  refresh: Standing['refresh'],
): Standing => {
  const quiet = type.inFlight === undefined && !type.due && isEmpty(needs);
  return { type, resources, refresh, needs, quiet, refuses: type.refused.size > 0, sentAll: false };
};

/**
 * What the next turn would find out about this type. What is under way counts as taken: where all that was lacking was sent, nothing is
 * lacking. In state of the world a response may hold older forms besides.
 */
const standingsAfter = (
  standings: Standings,
  { standing, needs }: Next,
  type: TypeState,
  refresh: ReadonlySet<string>,
): Standings => {
  if (needs !== standing.needs || type.sotw !== undefined) return standings;
  return standings.with(type.url, {
    type,
    resources: standing.resources,
    refresh: type.url === TYPE.eds ? refresh : NO_NAMES,
    needs: NO_NEEDS,
    quiet: false,
    refuses: type.refused.size > 0,
    sentAll: true,
  });
};

/** In state of the world a type forgets what vanished when it is looked at. */
const typesOf = ({ variant, types }: SessionState, standings: Standings): SessionState['types'] => {
  let after = types;
  if (variant === 'delta') return after;
  standings.forEach(({ type }, url) => {
    if (types.get(url) !== type) after = after.with(url, type);
  });
  return after;
};

/** What of a type is sent next. */
type Next = { readonly standing: Standing; readonly needs: Needs };

const nextToSend = (standings: Standings, gates: Gates): Next | undefined => {
  const nextOf = (url: TypeUrl): Next | undefined => {
    const standing = standings.get(url);
    if (standing === undefined || standing.quiet || standing.type.inFlight !== undefined) return undefined;
    const needs = sendable(url, standings, gates);
    return standing.type.due || !isEmpty(needs) ? { standing, needs } : undefined;
  };
  for (const url of SENDING_ORDER) {
    const next = nextOf(url);
    if (next !== undefined) return next;
  }
  for (const url of standings.keys()) {
    const next = SENDING_ORDER.includes(url) ? undefined : nextOf(url);
    if (next !== undefined) return next;
  }
  return undefined;
};

type Sent = {
  readonly type: TypeState & { readonly inFlight: InFlight };
  readonly response: SessionResponse;
};

const send = (s: SessionState, { standing: { type: t }, needs }: Next): Sent => {
  const news = joined(needs.answers, needs.upserts);
  const removed = joined(needs.absent, needs.removals);
  const whole = wholeAfter(t, news, removed);
  const resources = whole === undefined ? news : [...whole.values()];
  const taken = holdingsOfAll(t.url, news);
  // In state of the world what the client holds can change while a response is under way (`forgetVanished`).
  const isPlain = t.sotw === undefined && removed.length === 0;
  const after = isPlain ? afterTaking(t.url, t.held, taken) : undefined;
  const upserts = whole === undefined ? taken.versions : withWhole(taken.versions, t, whole);
  const version = after === undefined ? versionAfter(t.held, upserts, removed) : typeVersion(after);
  const nonce = `${s.noncePrefix}${s.nonces + 1}`;
  const inFlight: InFlight = { nonce, version, upserts, removals: removed, after, whole };
  const owed = t.owed.size === 0 ? t.owed : NO_NAMES;
  // Other content is under way: what was said to the old one counts no more.
  const refused = t.refused.size === 0 ? t.refused : new Map([...t.refused].filter(([name]) => !isAmong(news, name)));
  const { url, wildcard, names, held } = t;
  const sotw = t.sotw === undefined ? undefined : { ...t.sotw, lastNonce: nonce };
  return {
    type: { url, wildcard, names, held, refused, owed, due: false, inFlight, sotw },
    response: { variant: s.variant, type: url, nonce, version, resources, removed },
  };
};

/** With what else of the whole state the client does not hold. */
const withWhole = (
  news: ReadonlyMap<string, string>,
  { held }: TypeState,
  whole: ReadonlyMap<string, Resource>,
): ReadonlyMap<string, string> => {
  const upserts = new Map(news);
  for (const { name, version } of whole.values()) {
    if (held.versions.get(name) !== version) upserts.set(name, version);
  }
  return upserts;
};

const joined = <T>(a: readonly T[], b: readonly T[]): readonly T[] =>
  a.length === 0 ? b : b.length === 0 ? a : [...a, ...b];

const isAmong = (resources: readonly Resource[], name: string): boolean =>
  resources.some((resource) => resource.name === name);

const REFERRERS: readonly TypeUrl[] = [TYPE.lds, TYPE.rds];

const changes = (n: Needs): number => n.upserts.length + n.removals.length;

/** Something waits for the client to take or to ask for what it is expected to. */
const isHolding = (standings: Standings, gates: Gates): boolean => {
  const heldBack = (url: TypeUrl): boolean => {
    const standing = standings.get(url);
    if (standing === undefined || standing.quiet || standing.type.inFlight !== undefined) return false;
    return changes(standing.needs) > changes(sendable(url, standings, gates));
  };
  return gates.returning || REFERRERS.some(heldBack) || (gates.refreshing && SENDING_ORDER.some(heldBack));
};

const referrersLack = (standings: Standings): boolean =>
  REFERRERS.some((url) => changes(standings.get(url)?.needs ?? NO_NEEDS) > 0);

const progressOf = (standings: Standings): Progress => {
  if (standings.size === 0) return 'pending';
  const refused = standings.some(({ refuses }) => refuses);
  // After a refusal what is stale stays on purpose: that is no work in progress.
  const isOpen = ({ quiet, type, needs }: Standing): boolean =>
    !quiet && !(refused && type.inFlight === undefined && !type.due && isEmpty({ ...needs, removals: [] }));
  if (standings.some(isOpen)) return 'pending';
  return refused ? 'refused' : 'settled';
};

import { difference, isEmpty, type Needs, NO_NEEDS } from './difference.ts';
import { endpointsInView, isRefreshing, refreshAfter } from './endpoints.ts';
import { typeVersion, withChanges } from './holdings.ts';
import { type Gates, SENDING_ORDER, type Standing, type Standings, sendable } from './order.ts';
import { type Resource, type Snapshot, TYPE, type TypeUrl } from './resource.ts';
import type { Progress, SessionResponse, SessionState } from './sessionState.ts';
import { forgetVanished, wholeAfter, withNonce } from './stateOfTheWorld.ts';
import type { TypeState } from './typeState.ts';

/** What the session does next, seen from its newest state. */
export type Choice = {
  readonly state: SessionState;
  readonly response: SessionResponse | undefined;
  readonly progress: Progress;
};

const NO_RESOURCES: ReadonlyMap<string, Resource> = new Map();
const NO_NAMES: ReadonlySet<string> = new Set();

/** Picks at most one response: the first in order that may be sent now. Everything is measured against the newest snapshot. */
export const choose = (before: SessionState): Choice => {
  const { snapshot } = before;
  if (snapshot === undefined) return { state: before, response: undefined, progress: 'pending' };
  const standings = standingsOf(before, snapshot);
  const { refresh, impatient, returning } = before;
  const gates: Gates = { refreshing: isRefreshing(before), refresh, impatient, returning };
  const next = before.writing ? undefined : nextToSend(standings, gates);
  const rested: SessionState = {
    ...before,
    types: settle(before.types, standings),
    holding: isHolding(standings, gates),
    impatient: before.impatient && referrersLack(standings),
  };
  if (next === undefined) return { state: rested, response: undefined, progress: progressOf(standings) };
  return { ...send(rested, snapshot, next.type, next.needs), progress: 'pending' };
};

const standingsOf = (s: SessionState, snapshot: Snapshot): Standings => {
  const standings = new Map<TypeUrl, Standing>();
  for (const [url, type] of s.types) {
    const refresh = url === TYPE.eds ? s.refresh : NO_NAMES;
    const resources = url === TYPE.eds ? endpointsInView(s) : snapshot.get(url);
    standings.set(
      url,
      forgetVanished({ type, resources, needs: difference(type, resources ?? NO_RESOURCES, refresh) }),
    );
  }
  return standings;
};

const nextToSend = (standings: Standings, gates: Gates): Omit<Standing, 'resources'> | undefined => {
  const others = [...standings.keys()].filter((url) => !SENDING_ORDER.includes(url));
  for (const url of [...SENDING_ORDER, ...others]) {
    const standing = standings.get(url);
    if (standing === undefined || standing.type.inFlight !== undefined) continue;
    const needs = sendable(url, standings, gates);
    if (standing.type.due || !isEmpty(needs)) return { type: standing.type, needs };
  }
  return undefined;
};

const send = (
  before: SessionState,
  snapshot: Snapshot,
  t: TypeState,
  needs: Needs,
): { readonly state: SessionState; readonly response: SessionResponse } => {
  const news = [...needs.answers, ...needs.upserts];
  const removed = [...needs.absent, ...needs.removals];
  const whole = wholeAfter(t, news, removed);
  const resources = whole === undefined ? news : [...whole.values()];
  const isNews = (r: Resource): boolean => t.held.versions.get(r.name) !== r.version;
  const stated = whole === undefined ? news : [...news, ...resources.filter(isNews)];
  const upserts = new Map(stated.map((r) => [r.name, r.version] as const));
  const version = typeVersion(withChanges(t.held, upserts, removed));
  const nonce = `${before.noncePrefix}${before.nonces + 1}`;
  const inFlight = { nonce, version, upserts, removals: removed, whole };
  // Other content is under way: what was said to the old one counts no more.
  const refused = new Map(t.refused);
  for (const { name } of news) refused.delete(name);
  const sent = withNonce({ ...t, refused, owed: new Set(), due: false, inFlight, settledOn: undefined }, nonce);
  const state: SessionState = {
    ...before,
    nonces: before.nonces + 1,
    writing: true,
    types: new Map(before.types).set(t.url, sent),
    refresh: refreshAfter(before.refresh, snapshot, t.url, upserts.keys(), removed),
  };
  return { state, response: { variant: before.variant, type: t.url, nonce, version, resources, removed } };
};

/** Remembers for which resources nothing was lacking, so that the next turn need not compare them. */
const settle = (types: SessionState['types'], standings: Standings): SessionState['types'] => {
  const after = new Map(types);
  for (const [url, { type, needs, resources }] of standings) {
    after.set(url, needs !== NO_NEEDS && isEmpty(needs) ? { ...type, settledOn: resources } : type);
  }
  return after;
};

const REFERRERS: readonly TypeUrl[] = [TYPE.lds, TYPE.rds];

const changes = (n: Needs): number => n.upserts.length + n.removals.length;

/** Something waits for the client to take or to ask for what it is expected to. */
const isHolding = (standings: Standings, gates: Gates): boolean => {
  const heldBack = (url: TypeUrl): boolean => {
    const standing = standings.get(url);
    if (standing === undefined || standing.type.inFlight !== undefined) return false;
    return changes(standing.needs) > changes(sendable(url, standings, gates));
  };
  return gates.returning || REFERRERS.some(heldBack) || (gates.refreshing && SENDING_ORDER.some(heldBack));
};

const referrersLack = (standings: Standings): boolean =>
  REFERRERS.some((url) => changes(standings.get(url)?.needs ?? NO_NEEDS) > 0);

const progressOf = (standings: Standings): Progress => {
  const all = [...standings.values()];
  const refused = all.some((s) => s.type.refused.size > 0);
  const lacks = ({ type, needs }: Standing): boolean =>
    // After a refusal what is stale stays on purpose: that is no work in progress.
    type.inFlight !== undefined || type.due || !isEmpty(refused ? { ...needs, removals: [] } : needs);
  if (all.length === 0 || all.some(lacks)) return 'pending';
  return refused ? 'refused' : 'settled';
};

import { namedIn } from './blame.ts';
import { choose } from './choose.ts';
import { leavingAfter, NO_NAMES, NOTHING_LEAVES } from './endpoints.ts';
import { type Snapshot, TYPE, typeNameOf } from './resource.ts';
import type {
  DeltaRequest,
  Held,
  Notice,
  SessionEvent,
  SessionRequest,
  SessionResponse,
  SessionState,
  Turn,
  Variant,
} from './sessionState.ts';
import { SmallMap } from './smallMap.ts';
import { changeNames, firstNames, isStale, recognise, shelfAfterAck, shelfAfterNack } from './stateOfTheWorld.ts';
import { afterAck, afterNack, changeSubscription, firstRequest, type TypeState } from './typeState.ts';

/** Far more than a sidecar of the largest mesh asks for, and little enough to hold for each stream. */
export const LIMITS = { types: 16, names: 50_000, characters: 4 * 1024 * 1024 } as const;

/** A stream before its first request; the prefix keeps nonces of another stream from meaning anything on this one. */
export const newSession = (noncePrefix = '', variant: Variant = 'delta'): SessionState => ({
  variant,
  noncePrefix,
  snapshot: undefined,
  types: new SmallMap(),
  standings: new SmallMap(),
  nonces: 0,
  writing: false,
  refresh: NO_NAMES,
  leaving: NOTHING_LEAVES,
  holding: false,
  impatient: false,
  returning: false,
  progress: 'pending',
  calm: false,
});

/** One step of a stream: an event in, the next state and what is to be sent and told out. Never throws on input. */
export const turn = (before: SessionState, event: SessionEvent): Turn => {
  if (event.kind === 'written' && before.calm) {
    return { state: whenWritten(before), responses: NO_RESPONSES, notices: NO_NOTICES };
  }
  const taken = take(before, event);
  if (taken.notices.some((n) => n.kind === 'overrun')) return { ...taken, responses: NO_RESPONSES };
  if (waitsForWrite(taken.state, event)) {
    return { state: taken.state, responses: NO_RESPONSES, notices: taken.notices };
  }
  const { state, response } = choose(recognise(taken.state));
  const { progress } = state;
  const isNews = progress !== before.progress || declares(state, taken.notices);
  const notices = isNews ? taken.notices.concat([{ kind: 'progress', progress, held: heldOf(state) }]) : taken.notices;
  return { state, responses: response === undefined ? NO_RESPONSES : [response], notices };
};

const NO_RESPONSES: readonly SessionResponse[] = [];
const NO_NOTICES: readonly Notice[] = [];

/** Nothing can be sent before a response is written, and what is under way is pending: all that came meanwhile is looked at once then. */
const waitsForWrite = ({ writing, progress, types }: SessionState, { kind }: SessionEvent): boolean =>
  writing && progress === 'pending' && kind !== 'waited' && types.some(({ inFlight }) => inFlight !== undefined);

/**
 * A client that came back speaks of its types one by one, and lacks nothing before it spoke of the last: what it holds of that one is
 * sent to nobody, changes no progress and would be told by nothing else. While something is pending, the end of that tells it.
 */
const declares = ({ types, progress }: SessionState, notices: readonly Notice[]): boolean =>
  progress !== 'pending' &&
  notices.some((notice) => notice.kind === 'asked' && (types.get(notice.type)?.held.versions.size ?? 0) > 0);

const heldOf = ({ types }: SessionState): Held => types.map(({ held }) => held.versions);

type Taken = { readonly state: SessionState; readonly notices: readonly Notice[] };

const take = (before: SessionState, event: SessionEvent): Taken => {
  switch (event.kind) {
    case 'published':
      return { state: withSnapshot(before, event.snapshot), notices: NO_NOTICES };
    case 'written':
      return { state: whenWritten(before), notices: NO_NOTICES };
    case 'waited':
      return { state: afterWait(before), notices: NO_NOTICES };
    case 'request':
      return takeRequest(before, event);
  }
};

/** A client that came back has said by now all that it holds. Only then is it waited for what it does not take. */
const afterWait = (s: SessionState): SessionState =>
  s.returning ? { ...s, returning: false } : { ...s, impatient: s.holding, refresh: subscribedOnly(s) };

const whenWritten = (s: SessionState): SessionState => ({
  variant: s.variant,
  noncePrefix: s.noncePrefix,
  snapshot: s.snapshot,
  types: s.types,
  standings: s.standings,
  nonces: s.nonces,
  writing: false,
  refresh: s.refresh,
  leaving: s.leaving,
  holding: s.holding,
  impatient: s.impatient,
  returning: s.returning,
  progress: s.progress,
  calm: false,
});

const withSnapshot = (s: SessionState, snapshot: Snapshot): SessionState => ({
  variant: s.variant,
  noncePrefix: s.noncePrefix,
  snapshot,
  types: s.types,
  standings: s.standings,
  nonces: s.nonces,
  writing: s.writing,
  refresh: s.refresh,
  leaving: leavingAfter(s, snapshot),
  holding: s.holding,
  impatient: s.impatient,
  returning: s.returning,
  progress: s.progress,
  calm: false,
});

const stateWith = (s: SessionState, types: SessionState['types'], returning: boolean): SessionState => ({
  variant: s.variant,
  noncePrefix: s.noncePrefix,
  snapshot: s.snapshot,
  types,
  standings: s.standings,
  nonces: s.nonces,
  writing: s.writing,
  refresh: s.refresh,
  leaving: s.leaving,
  holding: s.holding,
  impatient: s.impatient,
  returning,
  progress: s.progress,
  calm: false,
});

/** Endpoints that the client never asked for are waited for once. */
const subscribedOnly = (s: SessionState): ReadonlySet<string> => {
  const names = s.types.get(TYPE.eds)?.names;
  return new Set([...s.refresh].filter((name) => names?.has(name)));
};

const takeRequest = (before: SessionState, request: SessionRequest): Taken => {
  const known = before.types.get(request.type);
  if (known === undefined) return takeFirst(before, request);
  if (isStale(known, request)) return { state: before, notices: NO_NOTICES };
  const { type, notices } = answerOf(known, request);
  const after = withType(before, subscriptionAfter(type, request), notices);
  // A refused cluster asks for no endpoints: nobody waits for them.
  const nackedClusters = request.type === TYPE.cds && notices.some((n) => n.kind === 'nacked');
  return nackedClusters ? { ...after, state: { ...after.state, refresh: subscribedOnly(after.state) } } : after;
};

const takeFirst = (before: SessionState, request: SessionRequest): Taken => {
  const what = typeNameOf(request.type) ?? 'this type';
  if (request.variant === 'delta' && request.initialResourceVersions.size > LIMITS.names) {
    const message = `more than ${LIMITS.names} versions declared for ${what}`;
    return { state: before, notices: [{ kind: 'overrun', message }] };
  }
  const type = firstOf(mayWarm(before, request) ? { ...request, initialResourceVersions: new Map() } : request);
  const returning = before.returning || type.held.versions.size > 0;
  return withType(before, type, [{ kind: 'asked', type: request.type }], returning);
};

/**
 * An Envoy that lost its stream between a changed cluster and its endpoints waits for them for ever: it holds the old ones and says
 * so. As long as a cluster warms it does not ask for clusters, which else it does first (seen on 1.40).
 */
const mayWarm = (s: SessionState, request: SessionRequest): request is DeltaRequest =>
  request.variant === 'delta' && request.type === TYPE.eds && !s.types.has(TYPE.cds);

const firstOf = (request: SessionRequest): TypeState =>
  request.variant === 'delta' ? firstRequest(request.type, request) : firstNames(request.type, request);

const subscriptionAfter = (t: TypeState, request: SessionRequest): TypeState =>
  request.variant === 'delta' ? changeSubscription(t, request) : changeNames(t, request.names);

/**
 * ACK, NACK or neither. In delta a stale nonce confirms nothing, and its subscriptions still count.
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#incremental-xds
 */
const answerOf = (t: TypeState, request: SessionRequest): { type: TypeState; notices: readonly Notice[] } => {
  const { inFlight } = t;
  if (inFlight === undefined || request.nonce !== inFlight.nonce) return { type: t, notices: NO_NOTICES };
  if (request.error === undefined) {
    const type = shelfAfterAck(afterAck(t, inFlight), inFlight);
    const stillRefused = type.refused.size > 0;
    const { version, upserts: taken } = inFlight;
    return { type, notices: [{ kind: 'acked', type: t.url, version, taken, stillRefused }] };
  }
  const names = new Set(inFlight.upserts.keys());
  const named = namedIn(request.error, names);
  const refused = named.size > 0 ? named : names;
  const resources = [...inFlight.upserts].flatMap(([name, version]) => (refused.has(name) ? [{ name, version }] : []));
  const { version, removals: removed } = inFlight;
  const nacked: Notice = { kind: 'nacked', type: t.url, version, error: request.error, resources, removed };
  return { type: shelfAfterNack(afterNack(t, inFlight, refused), inFlight, named), notices: [nacked] };
};

const withType = (
  before: SessionState,
  type: TypeState,
  notices: readonly Notice[],
  returning = before.returning,
): Taken => {
  const state = stateWith(before, before.types.with(type.url, type), returning);
  const message = before.types.get(type.url)?.names === type.names ? undefined : overrun(state, type);
  return { state, notices: message === undefined ? notices : [...notices, { kind: 'overrun', message }] };
};

const overrun = (s: SessionState, changed: TypeState): string | undefined => {
  if (s.types.size > LIMITS.types) return `more than ${LIMITS.types} resource types on one stream`;
  const what = typeNameOf(changed.url) ?? 'this type';
  if (changed.names.size > LIMITS.names) return `more than ${LIMITS.names} names subscribed to for ${what}`;
  let characters = changed.url.length;
  for (const name of changed.names) characters += name.length;
  return characters > LIMITS.characters ? `the names subscribed to for ${what} are too long` : undefined;
};

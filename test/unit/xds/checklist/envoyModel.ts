import assert from 'node:assert/strict';
import { type Snapshot, TYPE, type TypeUrl } from '../../../../src/xds/resource.ts';
import { newSession, turn } from '../../../../src/xds/session.ts';
import type { SessionEvent, SessionResponse, SessionState, Variant } from '../../../../src/xds/sessionState.ts';
import { resource } from '../conversation.ts';

/*
 * A small model of Envoy on the pure session: it asks for the endpoints of its clusters and for the routes of its listeners by
 * itself, warms, keeps back its ACK for clusters meanwhile, refuses listeners and routes now and then, and loses its stream.
 */

/** Listeners and routes by name, with the clusters that each of them refers to. */
export type Mesh = {
  readonly clusters: Readonly<Record<string, string>>;
  readonly listeners: Readonly<Record<string, readonly string[]>>;
  readonly routes: Readonly<Record<string, readonly string[]>>;
};

const byName = (type: 'cds' | 'eds' | 'lds' | 'rds', versions: Readonly<Record<string, string>>) =>
  new Map(Object.entries(versions).map(([name, version]) => [name, resource(type, name, version)] as const));

const refsAsVersions = (of: Readonly<Record<string, readonly string[]>>): Record<string, string> =>
  Object.fromEntries(Object.entries(of).map(([name, refs]) => [name, refs.join(',')]));

/** The version of a listener or route names the clusters that it refers to; a listener refers to the route of its name. */
export const meshSnapshot = ({ clusters, listeners, routes }: Mesh): Snapshot =>
  new Map([
    [TYPE.cds, byName('cds', clusters)],
    [TYPE.eds, byName('eds', Object.fromEntries(Object.keys(clusters).map((name) => [name, '1'])))],
    [TYPE.lds, byName('lds', refsAsVersions(listeners))],
    [TYPE.rds, byName('rds', refsAsVersions(routes))],
  ]);

type Cluster = { readonly version: string; readonly warm: boolean; readonly served: boolean };

/** What is over with its stream. */
type Connection = {
  session: SessionState;
  readonly inbox: SessionResponse[];
  readonly outbox: SessionEvent[];
  readonly withheld: (() => void)[];
  readonly nonces: Map<TypeUrl, string>;
  writing: boolean;
};

export type Envoy = {
  readonly variant: Variant;
  connection: Connection;
  streams: number;
  readonly clusters: Map<string, Cluster>;
  readonly endpoints: Set<string>;
  readonly listeners: Map<string, string>;
  readonly routes: Map<string, string>;
  /** Names that it asked for on this stream. */
  readonly asked: Map<TypeUrl, readonly string[]>;
  /** In state of the world: the version of each type that it took last. */
  readonly accepted: Map<TypeUrl, string>;
  /** Refuses the next response for listeners or routes. */
  refusing: boolean;
  /** In state of the world nobody knows what a client that comes back has: until it is up to date it may see a gap. */
  excused: boolean;
};

const newConnection = (variant: Variant, stream: number): Connection => ({
  session: newSession(`${stream}-`, variant),
  inbox: [],
  outbox: [],
  withheld: [],
  nonces: new Map(),
  writing: false,
});

export const newEnvoy = (variant: Variant, snapshot: Snapshot): Envoy => {
  const envoy: Envoy = {
    variant,
    connection: newConnection(variant, 1),
    streams: 1,
    clusters: new Map(),
    endpoints: new Set(),
    listeners: new Map(),
    routes: new Map(),
    asked: new Map(),
    accepted: new Map(),
    refusing: false,
    excused: false,
  };
  hear(envoy, { kind: 'published', snapshot });
  first(envoy, TYPE.cds);
  return envoy;
};

export const hear = (e: Envoy, event: SessionEvent): void => {
  const { connection } = e;
  const { state, responses } = turn(connection.session, event);
  connection.session = state;
  for (const response of responses) {
    connection.inbox.push(response);
    connection.writing = true;
  }
};

const isWarm = (e: Envoy): boolean => [...e.clusters.values()].every((c) => c.warm);

/** The stream breaks, and a new one says what is held. Clusters are not asked for again before all of them are warm. */
export const restart = (e: Envoy, snapshot: Snapshot): void => {
  // State of the world has no word for endpoints that are gone: such a cluster would warm for ever.
  if (e.variant === 'sotw' && !isWarm(e)) return;
  const types = [TYPE.cds, TYPE.eds, TYPE.lds, TYPE.rds].filter((type) => e.asked.has(type));
  e.streams += 1;
  e.connection = newConnection(e.variant, e.streams);
  e.excused = e.variant === 'sotw';
  hear(e, { kind: 'published', snapshot });
  for (const type of types) {
    if (type === TYPE.cds && !isWarm(e)) e.connection.withheld.push(() => first(e, type));
    else first(e, type);
  }
};

const heldOf = (e: Envoy, type: TypeUrl): ReadonlyMap<string, string> => {
  if (type === TYPE.cds) return new Map([...e.clusters].map(([name, { version }]) => [name, version]));
  if (type === TYPE.eds) return new Map([...e.endpoints].map((name) => [name, '1']));
  return type === TYPE.lds ? e.listeners : e.routes;
};

const first = (e: Envoy, type: TypeUrl): void => {
  const names = e.asked.get(type) ?? [];
  e.asked.set(type, names);
  say(e, type, { subscribe: names, initial: heldOf(e, type) });
};

type Saying = {
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly initial?: ReadonlyMap<string, string>;
  readonly nonce?: string;
  readonly error?: string | undefined;
};

const say = (e: Envoy, type: TypeUrl, saying: Saying): void => {
  const { subscribe = [], unsubscribe = [], initial = new Map(), nonce = '', error } = saying;
  const [names, version] = [e.asked.get(type) ?? [], e.accepted.get(type) ?? ''];
  const newest = e.connection.nonces.get(type) ?? '';
  e.connection.outbox.push(
    e.variant === 'delta'
      ? {
          kind: 'request',
          variant: 'delta',
          type,
          nonce,
          error,
          subscribe,
          unsubscribe,
          initialResourceVersions: initial,
        }
      : { kind: 'request', variant: 'sotw', type, nonce: newest, error, names, version },
  );
};

const follow = (e: Envoy, type: TypeUrl, names: Iterable<string>): void => {
  const [before, after] = [e.asked.get(type), [...names]];
  if (before === undefined && after.length === 0) return;
  e.asked.set(type, after);
  const subscribe = after.filter((name) => !before?.includes(name));
  const unsubscribe = (before ?? []).filter((name) => !after.includes(name));
  if (subscribe.length + unsubscribe.length > 0) say(e, type, { subscribe, unsubscribe });
};

const refsOf = (version: string): readonly string[] => (version === '' ? [] : version.split(','));

/** A listener or a route takes calls from now on for these clusters. */
const assertServed = (e: Envoy, what: string, version: string): void => {
  if (e.excused) return;
  for (const ref of refsOf(version))
    assert.ok(e.clusters.get(ref)?.served, `${what} refers to ${ref}, which is not served`);
};

const assertUnreferred = (e: Envoy, cluster: string): void => {
  if (e.excused) return;
  for (const [kind, held] of [['listener', e.listeners] as const, ['route', e.routes] as const]) {
    for (const [name, version] of held) {
      assert.ok(!refsOf(version).includes(cluster), `cluster ${cluster} is taken from under the ${kind} ${name}`);
    }
  }
};

/** What a response leaves out is gone in state of the world, refused or not; endpoints and routes go with what named them. */
const goneIn = (e: Envoy, r: SessionResponse, held: Iterable<string>): readonly string[] => {
  if (e.variant === 'delta') return r.removed;
  const stated = new Set(r.resources.map(({ name }) => name));
  return r.type === TYPE.cds || r.type === TYPE.lds ? [...held].filter((name) => !stated.has(name)) : [];
};

const takeClusters = (e: Envoy, r: SessionResponse): void => {
  for (const { name, version } of r.resources) {
    const known = e.clusters.get(name);
    // Clusters that are only said again do not warm again.
    if (known?.version !== version || e.variant === 'delta') {
      e.clusters.set(name, { version, warm: false, served: known?.served ?? false });
    }
  }
  for (const name of goneIn(e, r, e.clusters.keys())) {
    assertUnreferred(e, name);
    e.clusters.delete(name);
    e.endpoints.delete(name);
  }
  follow(e, TYPE.eds, e.clusters.keys());
};

const takeEndpoints = (e: Envoy, r: SessionResponse): void => {
  for (const { name } of r.resources) {
    const cluster = e.clusters.get(name);
    if (cluster === undefined) continue;
    e.clusters.set(name, { ...cluster, warm: true, served: true });
    e.endpoints.add(name);
  }
  for (const name of goneIn(e, r, e.endpoints)) {
    const cluster = e.clusters.get(name);
    // To be told that there are none is an answer, too.
    if (cluster !== undefined) e.clusters.set(name, { ...cluster, warm: true });
    e.endpoints.delete(name);
  }
};

const takeListeners = (e: Envoy, r: SessionResponse, refused: boolean): void => {
  // The first listeners are asked for, and answered at once: until then there was no traffic to lose.
  const isLive = e.listeners.size > 0;
  for (const { name, version } of refused ? [] : r.resources) {
    if (isLive && e.listeners.get(name) !== version) assertServed(e, `listener ${name}`, version);
    e.listeners.set(name, version);
  }
  for (const name of goneIn(e, r, e.listeners.keys())) {
    e.listeners.delete(name);
    e.routes.delete(name);
  }
  follow(e, TYPE.rds, e.listeners.keys());
};

const takeRoutes = (e: Envoy, r: SessionResponse, refused: boolean): void => {
  for (const { name, version } of refused ? [] : r.resources) {
    // A listener that is still warming carries no call yet.
    if (e.routes.has(name)) assertServed(e, `route ${name}`, version);
    if (e.listeners.has(name)) e.routes.set(name, version);
  }
  for (const name of goneIn(e, r, [])) e.routes.delete(name);
};

/** One response is applied, and answered when Envoy does that. */
const apply = (e: Envoy, r: SessionResponse): void => {
  const { outbox, withheld, nonces } = e.connection;
  nonces.set(r.type, r.nonce);
  const refused = e.refusing && (r.type === TYPE.lds || r.type === TYPE.rds);
  if (refused) e.refusing = false;
  const asksBefore = outbox.length;
  if (r.type === TYPE.cds) takeClusters(e, r);
  else if (r.type === TYPE.eds) takeEndpoints(e, r);
  else if (r.type === TYPE.lds) takeListeners(e, r, refused);
  else takeRoutes(e, r, refused);
  const answer = (): void => {
    if (!refused) e.accepted.set(r.type, r.version);
    say(e, r.type, { nonce: r.nonce, error: refused ? 'no' : undefined });
  };
  // Whatever it asks for in the meantime of the same type has the new nonce in state of the world: that is an ACK as well.
  if (r.type === TYPE.cds) withheld.push(answer);
  else {
    answer();
    // Whether Envoy answers before or after it subscribes to what follows from a response is its own affair.
    const own = outbox.pop();
    if (own !== undefined) outbox.splice(/[14]$/.test(r.nonce) ? asksBefore : outbox.length, 0, own);
  }
  if (isWarm(e)) for (const late of withheld.splice(0)) late();
  const clusters = [...e.clusters.values()];
  if (!e.asked.has(TYPE.lds) && clusters.length > 0 && clusters.every((c) => c.served)) first(e, TYPE.lds);
};

/** One thing of those that can happen next, chosen by a number; `false` if nothing can. */
export const live = (e: Envoy, choice: number): boolean => {
  const { connection } = e;
  const moves: (() => void)[] = [];
  if (connection.writing)
    moves.push(() => {
      connection.writing = false;
      hear(e, { kind: 'written' });
    });
  if (connection.inbox.length > 0) moves.push(() => apply(e, connection.inbox.shift() as SessionResponse));
  if (connection.outbox.length > 0) moves.push(() => hear(e, connection.outbox.shift() as SessionEvent));
  moves[choice % Math.max(1, moves.length)]?.();
  if (connection.session.progress === 'settled' && moves.length === 0) e.excused = false;
  return moves.length > 0;
};

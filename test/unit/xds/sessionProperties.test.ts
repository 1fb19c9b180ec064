import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Snapshot, TYPE, type TypeName } from '../../../src/xds/resource.ts';
import { newSession, turn } from '../../../src/xds/session.ts';
import type { SessionEvent, SessionResponse } from '../../../src/xds/sessionState.ts';
import { type Names, resource, snapshotOf } from './conversation.ts';

const NAMES = ['a', 'b', 'c', 'd'] as const;
const versions = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('1', '2', '3'));
const anySnapshot: fc.Arbitrary<Names> = fc.record({
  cds: versions,
  eds: versions,
  sds: versions,
  lds: versions,
  rds: versions,
});

type Act =
  | { readonly do: 'publish'; readonly names: Names }
  | { readonly do: 'ask'; readonly type: TypeName; readonly sub: readonly string[]; readonly unsub: readonly string[] }
  | { readonly do: 'answer'; readonly type: TypeName; readonly refuse: boolean }
  | { readonly do: 'written' }
  | { readonly do: 'waited' };

const someType = fc.constantFrom<TypeName>('cds', 'eds', 'sds', 'lds', 'rds');
const someNames = fc.uniqueArray(fc.constantFrom(...NAMES, '*', 'nobody'), { maxLength: 3 });
const act = (mayRefuse: boolean): fc.Arbitrary<Act> =>
  fc.oneof(
    fc.record({ do: fc.constant('publish' as const), names: anySnapshot }),
    fc.record({ do: fc.constant('ask' as const), type: someType, sub: someNames, unsub: someNames }),
    fc.record({
      do: fc.constant('answer' as const),
      type: someType,
      refuse: mayRefuse ? fc.boolean() : fc.constant(false),
    }),
    fc.constant({ do: 'written' as const }),
    fc.constant({ do: 'waited' as const }),
  );

/** A client that asks and answers at any time, and writes down what it is sent. */
type Client = {
  session: ReturnType<typeof newSession>;
  snapshot: Snapshot;
  readonly held: Map<string, Map<string, string>>;
  readonly wanted: Map<string, { wildcard: boolean; names: Set<string> }>;
  readonly unanswered: Map<string, SessionResponse>;
  readonly refused: Set<string>;
  writing: boolean;
};

const feed = (c: Client, event: SessionEvent): void => {
  const { state, responses } = turn(c.session, event);
  c.session = state;
  for (const response of responses) receive(c, response);
};

const receive = (c: Client, r: SessionResponse): void => {
  assert.ok(!c.writing, 'one write at a time');
  assert.ok(!c.unanswered.has(r.type), 'one unacked response of a type');
  const wanted = c.wanted.get(r.type);
  const names = [...r.resources.map((x) => x.name), ...r.removed];
  assert.equal(new Set(names).size, names.length, 'no name twice');
  for (const { name, version } of r.resources) {
    assert.ok(wanted?.wildcard || wanted?.names.has(name), `${name} was not subscribed to`);
    const newest = c.snapshot.get(r.type)?.get(name)?.version;
    // Endpoints stay for as long as their cluster does, which goes last.
    const leaving = r.type === TYPE.eds && newest === undefined && !c.snapshot.get(TYPE.cds)?.has(name);
    assert.ok(leaving || version === newest, 'the newest');
  }
  for (const name of r.removed) assert.ok(!c.snapshot.get(r.type)?.has(name), `${name} is there`);
  c.writing = true;
  c.unanswered.set(r.type, r);
};

const subscribe = (c: Client, type: string, sub: readonly string[], unsub: readonly string[]): void => {
  const before = c.wanted.get(type);
  const wild = type === TYPE.cds || type === TYPE.lds;
  const now = before ?? { wildcard: wild && sub.length === 0 && unsub.length === 0, names: new Set<string>() };
  for (const name of sub) {
    if (name === '*' && wild) now.wildcard = true;
    else now.names.add(name);
  }
  for (const name of unsub) {
    if (name === '*' && wild) now.wildcard = false;
    else now.names.delete(name);
  }
  c.wanted.set(type, now);
  const held = c.held.get(type);
  for (const name of [...(held?.keys() ?? [])]) if (!now.wildcard && !now.names.has(name)) held?.delete(name);
};

const request = (
  type: string,
  nonce: string,
  error: string | undefined,
  sub: readonly string[],
  unsub: readonly string[],
): SessionEvent => ({
  kind: 'request',
  variant: 'delta',
  type,
  nonce,
  error,
  subscribe: sub,
  unsubscribe: unsub,
  initialResourceVersions: new Map(),
});

const answer = (c: Client, type: string, refuse: boolean): void => {
  const response = c.unanswered.get(type);
  if (response === undefined) return;
  c.unanswered.delete(type);
  const wanted = c.wanted.get(type);
  const held = c.held.get(type) ?? new Map<string, string>();
  c.held.set(type, held);
  for (const { name, version } of response.resources) {
    if (refuse) c.refused.add(`${type} ${name} ${version}`);
    else if (wanted?.wildcard || wanted?.names.has(name)) held.set(name, version);
  }
  for (const name of response.removed) held.delete(name);
  feed(c, request(type, response.nonce, refuse ? 'no' : undefined, [], []));
};

const perform = (c: Client, a: Act): void => {
  switch (a.do) {
    case 'publish':
      c.snapshot = snapshotOf(a.names);
      feed(c, { kind: 'published', snapshot: c.snapshot });
      break;
    case 'ask':
      subscribe(c, TYPE[a.type], a.sub, a.unsub);
      feed(c, request(TYPE[a.type], '', undefined, a.sub, a.unsub));
      break;
    case 'answer':
      answer(c, TYPE[a.type], a.refuse);
      break;
    case 'waited':
      feed(c, { kind: 'waited' });
      break;
    case 'written':
      flush(c);
      break;
  }
};

const flush = (c: Client): void => {
  if (!c.writing) return;
  c.writing = false;
  feed(c, { kind: 'written' });
};

/** Lets everything under way come to its end. */
const drain = (c: Client): void => {
  for (let i = 0; i < 200; i += 1) {
    flush(c);
    for (const type of [...c.unanswered.keys()]) answer(c, type, false);
    if (!c.writing && c.unanswered.size === 0) {
      if (!c.session.holding) return;
      feed(c, { kind: 'waited' });
    }
  }
  assert.fail('the session does not come to rest');
};

const run = (acts: readonly Act[]): Client => {
  const c: Client = {
    session: newSession(),
    snapshot: new Map(),
    held: new Map(),
    wanted: new Map(),
    unanswered: new Map(),
    refused: new Set(),
    writing: false,
  };
  for (const a of acts) perform(c, a);
  perform(c, {
    do: 'publish',
    names: { cds: { a: '9' }, eds: { a: '9', b: '9' }, sds: { a: '9' }, lds: { b: '9' }, rds: { b: '9' } },
  });
  drain(c);
  return c;
};

const expected = (c: Client, type: string): Record<string, string> => {
  const wanted = c.wanted.get(type);
  const all = [...(c.snapshot.get(type)?.values() ?? [])].filter((r) => wanted?.wildcard || wanted?.names.has(r.name));
  return Object.fromEntries(all.map((r) => [r.name, r.version]));
};

describe('an xDS session, whatever happens', function () {
  this.timeout(60_000);

  it('ends with a client that holds what it subscribed to of the newest snapshot, and never sends it anything else', () => {
    fc.assert(
      fc.property(fc.array(act(false), { maxLength: 40, size: 'max' }), (acts) => {
        const c = run(acts);
        for (const type of c.wanted.keys()) {
          assert.deepEqual(Object.fromEntries(c.held.get(type) ?? []), expected(c, type));
        }
        if (c.wanted.size > 0) assert.equal(c.session.progress, 'settled');
      }),
      { numRuns: 1000 },
    );
  });

  it('converges for a client that refuses now and then, too, once the content is other', () => {
    fc.assert(
      fc.property(fc.array(act(true), { maxLength: 40, size: 'max' }), (acts) => {
        const c = run(acts);
        for (const type of c.wanted.keys()) {
          assert.deepEqual(Object.fromEntries(c.held.get(type) ?? []), expected(c, type));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('leaves its earlier states as they were', () => {
    fc.assert(
      fc.property(fc.array(act(true), { maxLength: 20, size: 'max' }), (acts) => {
        const c = run(acts);
        const before = structuredClone({ ...c.session, snapshot: undefined });
        turn(c.session, { kind: 'published', snapshot: snapshotOf({ cds: { z: '1' } }) });
        turn(c.session, request(TYPE.eds, '', undefined, ['q'], ['a']));
        assert.deepEqual({ ...c.session, snapshot: undefined }, before);
      }),
    );
  });
});

/* A model of Envoy: it asks for the endpoints of its clusters and for the routes of its listeners by itself. */

type Mesh = {
  readonly clusters: Readonly<Record<string, string>>;
  readonly routes: Readonly<Record<string, readonly string[]>>;
};

const mesh: fc.Arbitrary<Mesh> = versions.chain((clusters) => {
  const names = Object.keys(clusters);
  const none: fc.Arbitrary<string[]> = fc.constant([]);
  const refs = names.length === 0 ? none : fc.uniqueArray(fc.constantFrom(...names));
  return fc.record({ clusters: fc.constant(clusters), routes: fc.dictionary(fc.constantFrom('r', 's'), refs) });
});

/** A route's version names the clusters that it refers to; a listener refers to the route of its name. */
const meshSnapshot = ({ clusters, routes }: Mesh): Snapshot => {
  const rds = Object.entries(routes).map(([name, refs]) => resource('rds', name, refs.join(',')));
  const lds = Object.keys(routes).map((name) => resource('lds', name, '1'));
  const cds = Object.entries(clusters).map(([name, version]) => resource('cds', name, version));
  const eds = Object.keys(clusters).map((name) => resource('eds', name, '1'));
  const byName = (list: typeof rds) => new Map(list.map((r) => [r.name, r]));
  return new Map([
    [TYPE.cds, byName(cds)],
    [TYPE.eds, byName(eds)],
    [TYPE.lds, byName(lds)],
    [TYPE.rds, byName(rds)],
  ]);
};

type Envoy = {
  session: ReturnType<typeof newSession>;
  readonly inbox: SessionResponse[];
  readonly outbox: SessionEvent[];
  readonly withheld: SessionEvent[];
  readonly clusters: Map<string, { version: string; warm: boolean; served: boolean }>;
  readonly listeners: Set<string>;
  readonly routes: Map<string, readonly string[]>;
  readonly asked: { eds: Set<string>; rds: Set<string>; lds: boolean };
  writing: boolean;
};

const ready = (e: Envoy): boolean => [...e.clusters.values()].every((c) => c.served);

const hear = (e: Envoy, event: SessionEvent): void => {
  const { state, responses } = turn(e.session, event);
  e.session = state;
  for (const r of responses) {
    e.inbox.push(r);
    e.writing = true;
  }
};

const follow = (e: Envoy, type: 'eds' | 'rds', want: ReadonlySet<string>): void => {
  const known = e.asked[type];
  const sub = [...want].filter((n) => !known.has(n));
  const unsub = [...known].filter((n) => !want.has(n));
  for (const n of sub) known.add(n);
  for (const n of unsub) known.delete(n);
  if (sub.length + unsub.length > 0) e.outbox.push(request(TYPE[type], '', undefined, sub, unsub));
};

const applyAtEnvoy = (e: Envoy, r: SessionResponse): void => {
  const asksBefore = e.outbox.length;
  if (r.type === TYPE.cds) {
    for (const { name, version } of r.resources) {
      e.clusters.set(name, { version, warm: false, served: e.clusters.get(name)?.served ?? false });
    }
    for (const name of r.removed) {
      for (const refs of e.routes.values())
        assert.ok(!refs.includes(name), `cluster ${name} is taken from under a route`);
      e.clusters.delete(name);
    }
    follow(e, 'eds', new Set(e.clusters.keys()));
  } else if (r.type === TYPE.eds) {
    for (const { name } of r.resources) {
      const cluster = e.clusters.get(name);
      if (cluster !== undefined) e.clusters.set(name, { ...cluster, warm: true, served: true });
    }
  } else if (r.type === TYPE.lds) {
    for (const { name } of r.resources) e.listeners.add(name);
    for (const name of r.removed) e.listeners.delete(name);
    follow(e, 'rds', e.listeners);
    for (const name of [...e.routes.keys()]) if (!e.listeners.has(name)) e.routes.delete(name);
  } else {
    for (const { name, version } of r.resources) {
      const refs = version === '' ? [] : version.split(',');
      const isLive = e.routes.has(name);
      // A listener that is still warming carries no call yet.
      if (isLive)
        for (const ref of refs)
          assert.ok(e.clusters.get(ref)?.served, `route ${name} refers to ${ref}, which is not served yet`);
      if (e.listeners.has(name)) e.routes.set(name, refs);
    }
  }
  if (!e.asked.lds && e.clusters.size > 0 && ready(e)) {
    e.asked.lds = true;
    e.outbox.push(request(TYPE.lds, '', undefined, [], []));
  }
  // Whether Envoy acknowledges before or after it subscribes to what follows from a response is its own affair.
  const acknowledgement = request(r.type, r.nonce, undefined, [], []);
  // It keeps the ACK for clusters to itself as long as any of them waits for its endpoints.
  if (r.type === TYPE.cds) e.withheld.push(acknowledgement);
  const warm = [...e.clusters.values()].every((c) => c.warm);
  if (warm) e.outbox.push(...e.withheld.splice(0));
  if (r.type === TYPE.cds) return;
  if (r.nonce.endsWith('1') || r.nonce.endsWith('4')) e.outbox.splice(asksBefore, 0, acknowledgement);
  else e.outbox.push(acknowledgement);
};

const live = (e: Envoy, choice: number): boolean => {
  const moves: (() => void)[] = [];
  if (e.writing)
    moves.push(() => {
      e.writing = false;
      hear(e, { kind: 'written' });
    });
  if (e.inbox.length > 0) moves.push(() => applyAtEnvoy(e, e.inbox.shift() as SessionResponse));
  if (e.outbox.length > 0) moves.push(() => hear(e, e.outbox.shift() as SessionEvent));
  moves[choice % Math.max(1, moves.length)]?.();
  return moves.length > 0;
};

describe('an xDS session with an Envoy', function () {
  this.timeout(60_000);

  it('makes before it breaks: no live route ever refers to a cluster that is not served', () => {
    const step = fc.oneof({ weight: 1, arbitrary: mesh }, { weight: 6, arbitrary: fc.nat(2) });
    fc.assert(
      fc.property(mesh, fc.array(step, { maxLength: 80, size: 'max' }), (first, steps) => {
        const e: Envoy = {
          session: newSession(),
          inbox: [],
          withheld: [],
          outbox: [request(TYPE.cds, '', undefined, [], [])],
          clusters: new Map(),
          listeners: new Set(),
          routes: new Map(),
          asked: { eds: new Set(), rds: new Set(), lds: false },
          writing: false,
        };
        let newest = first;
        hear(e, { kind: 'published', snapshot: meshSnapshot(first) });
        for (const s of steps) {
          if (typeof s === 'number') live(e, s);
          else {
            newest = s;
            hear(e, { kind: 'published', snapshot: meshSnapshot(s) });
          }
        }
        for (let i = 0; live(e, i); i += 1) assert.ok(i < 1000, 'comes to rest');
        assert.ok(!e.session.holding, 'nothing is held back from a client that answers');
        assert.deepEqual(Object.fromEntries([...e.clusters].map(([n, c]) => [n, c.version])), { ...newest.clusters });
        for (const [name, cluster] of e.clusters) assert.ok(cluster.warm, `${name} still waits for its endpoints`);
        if (e.asked.lds) {
          const routes = Object.fromEntries([...e.routes].map(([n, refs]) => [n, [...refs]]));
          assert.deepEqual(routes, { ...newest.routes });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

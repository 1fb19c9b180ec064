import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Snapshot, TYPE } from '../../../src/xds/resource.ts';
import { newSession, turn } from '../../../src/xds/session.ts';
import type { SessionEvent, SessionResponse } from '../../../src/xds/sessionState.ts';
import { request, resource } from './conversation.ts';

const versions = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.constantFrom('1', '2', '3'));

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
  if (sub.length + unsub.length > 0) e.outbox.push(request(TYPE[type], '', undefined, { sub, unsub }));
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
    e.outbox.push(request(TYPE.lds, ''));
  }
  // Whether Envoy acknowledges before or after it subscribes to what follows from a response is its own affair.
  const acknowledgement = request(r.type, r.nonce);
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
          outbox: [request(TYPE.cds, '')],
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
      { numRuns: 400 },
    );
  });
});

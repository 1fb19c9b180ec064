import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Snapshot, TYPE, type TypeName } from '../../../src/xds/resource.ts';
import { newSession, turn } from '../../../src/xds/session.ts';
import type { SessionEvent, SessionResponse } from '../../../src/xds/sessionState.ts';
import { type Names, request, snapshotOf } from './conversation.ts';

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
  /** What it refuses by name, whenever it comes; it takes the rest of that response. */
  readonly refuses: (version: string) => boolean;
  /** What it refused by name last, until it takes anything else. */
  readonly standing: Map<string, string>;
  /** What it asked for by name, and was not answered yet. */
  readonly asked: Set<string>;
  writing: boolean;
};

const isBad = (version: string): boolean => version === '3';

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
    const key = `${r.type} ${name}`;
    if (!c.asked.delete(key)) assert.notEqual(c.standing.get(key), version, `${key}@${version} was refused already`);
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
  // What it asks for by name, it is sent again.
  const named = [...sub, ...unsub];
  for (const name of named.includes('*') ? NAMES : named) c.asked.add(`${type} ${name}`);
  const held = c.held.get(type);
  for (const name of [...(held?.keys() ?? [])]) if (!now.wildcard && !now.names.has(name)) held?.delete(name);
};

const answer = (c: Client, type: string, refuse: boolean): void => {
  const response = c.unanswered.get(type);
  if (response === undefined) return;
  c.unanswered.delete(type);
  const wanted = c.wanted.get(type);
  const held = c.held.get(type) ?? new Map<string, string>();
  c.held.set(type, held);
  const bad = response.resources.filter(({ version }) => c.refuses(version)).map(({ name }) => name);
  for (const { name, version } of response.resources) {
    const key = `${type} ${name}`;
    if (bad.includes(name)) {
      c.standing.set(key, version);
    } else {
      c.standing.delete(key);
      if (!refuse && (wanted?.wildcard || wanted?.names.has(name))) held.set(name, version);
    }
  }
  for (const name of response.removed) {
    held.delete(name);
    c.standing.delete(`${type} ${name}`);
  }
  const named = bad.length > 0 ? `cannot take ${bad.join(', ')}: bad` : undefined;
  feed(c, request(type, response.nonce, refuse ? 'no' : named));
};

const perform = (c: Client, a: Act): void => {
  switch (a.do) {
    case 'publish':
      c.snapshot = snapshotOf(a.names);
      feed(c, { kind: 'published', snapshot: c.snapshot });
      break;
    case 'ask':
      subscribe(c, TYPE[a.type], a.sub, a.unsub);
      feed(c, request(TYPE[a.type], '', undefined, a));
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

const newClient = (refuses: Client['refuses']): Client => ({
  session: newSession(),
  snapshot: new Map(),
  held: new Map(),
  wanted: new Map(),
  unanswered: new Map(),
  refuses,
  standing: new Map(),
  asked: new Set(),
  writing: false,
});

const run = (acts: readonly Act[]): Client => {
  const c = newClient(() => false);
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
      { numRuns: 400 },
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
      { numRuns: 400 },
    );
  });

  it('gives a client that refuses by name all but what it refuses, and nothing of that twice', () => {
    fc.assert(
      fc.property(fc.array(act(false), { maxLength: 40, size: 'max' }), anySnapshot, (acts, last) => {
        const c = newClient(isBad);
        for (const a of acts) perform(c, a);
        perform(c, { do: 'publish', names: last });
        drain(c);
        for (const type of c.wanted.keys()) {
          const good = Object.entries(expected(c, type)).filter(([, version]) => !isBad(version));
          const held = c.held.get(type) ?? new Map<string, string>();
          for (const [name, version] of good) assert.equal(held.get(name), version, `${type} ${name}`);
          const bad = Object.entries(expected(c, type)).filter(([, version]) => isBad(version));
          if (bad.length > 0) assert.equal(c.session.progress, 'refused');
        }
      }),
      { numRuns: 400 },
    );
  });

  it('leaves its earlier states as they were', () => {
    fc.assert(
      fc.property(fc.array(act(true), { maxLength: 20, size: 'max' }), (acts) => {
        const c = run(acts);
        const now = () => {
          const { types, standings, ...rest } = c.session;
          return structuredClone({ ...rest, types: [...types], standings: [...standings], snapshot: undefined });
        };
        const before = now();
        turn(c.session, { kind: 'published', snapshot: snapshotOf({ cds: { z: '1' } }) });
        turn(c.session, request(TYPE.eds, '', undefined, { sub: ['q'], unsub: ['a'] }));
        assert.deepEqual(now(), before);
      }),
    );
  });
});

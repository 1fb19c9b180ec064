import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Snapshot, TYPE, type TypeName } from '../../../src/xds/resource.ts';
import { newSession, turn } from '../../../src/xds/session.ts';
import type { SessionEvent, SessionResponse } from '../../../src/xds/sessionState.ts';
import { type Names, snapshotOf } from './conversation.ts';

const NAMES = ['a', 'b', 'c'] as const;
const versions = fc.dictionary(fc.constantFrom(...NAMES), fc.constantFrom('1', '2', '3'));
const anySnapshot = fc.record({ cds: versions, eds: versions, sds: versions, lds: versions, rds: versions });

type Act =
  | { readonly do: 'publish'; readonly names: Names }
  | { readonly do: 'ask'; readonly type: TypeName; readonly names: readonly string[] }
  | { readonly do: 'receive' | 'flush' | 'waited' | 'written' }
  | { readonly do: 'answer'; readonly type: TypeName; readonly refuse: boolean };

const someType = fc.constantFrom<TypeName>('cds', 'eds', 'sds', 'lds', 'rds');
const act = (mayRefuse: boolean): fc.Arbitrary<Act> =>
  fc.oneof(
    fc.record({ do: fc.constant('publish' as const), names: anySnapshot }),
    fc.record({
      do: fc.constant('ask' as const),
      type: someType,
      names: fc.uniqueArray(fc.constantFrom(...NAMES, '*', 'nobody'), { maxLength: 3 }),
    }),
    fc.record({
      do: fc.constant('answer' as const),
      type: someType,
      refuse: mayRefuse ? fc.boolean() : fc.constant(false),
    }),
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom(
          'receive' as const,
          'flush' as const,
          'flush' as const,
          'waited' as const,
          'written' as const,
        ),
      }),
    },
  );

type Subscribed = {
  names: readonly string[];
  nonce: string;
  everNamed: boolean;
  readonly held: Map<string, string>;
};

/** A client at the end of a slow wire in both directions: it answers what it has not seen replaced, with all its names. */
type Client = {
  session: ReturnType<typeof newSession>;
  snapshot: Snapshot;
  readonly inbox: SessionResponse[];
  readonly outbox: SessionEvent[];
  readonly types: Map<string, Subscribed>;
  readonly unanswered: Map<string, SessionResponse>;
  /** What it refuses by name, whenever it comes; it takes the rest of that response. */
  readonly refuses: (version: string) => boolean;
  writing: boolean;
};

const isBad = (version: string): boolean => version === '3';

const isWild = (type: string): boolean => type === TYPE.cds || type === TYPE.lds;

const wants = (type: string, s: Subscribed, name: string): boolean =>
  s.names.includes(name) || (isWild(type) && (s.names.includes('*') || !s.everNamed));

const hear = (c: Client, event: SessionEvent): void => {
  const { state, responses } = turn(c.session, event);
  c.session = state;
  for (const r of responses) {
    assert.ok(!c.writing, 'one write at a time');
    assert.equal(new Set(r.resources.map((x) => x.name)).size, r.resources.length, 'no name twice');
    c.writing = true;
    c.inbox.push(r);
  }
};

const say = (c: Client, type: string, error?: string): void => {
  const { names, nonce } = c.types.get(type) ?? assert.fail();
  c.outbox.push({ kind: 'request', variant: 'sotw', type, nonce, error, names, version: '' });
};

const receive = (c: Client): void => {
  const r = c.inbox.shift();
  if (r === undefined) return;
  assert.ok(!c.unanswered.has(r.type), 'one unacked response of a type');
  c.unanswered.set(r.type, r);
};

const answer = (c: Client, type: string, refuse: boolean): void => {
  const response = c.unanswered.get(type);
  const subscribed = c.types.get(type);
  if (response === undefined || subscribed === undefined) return;
  c.unanswered.delete(type);
  subscribed.nonce = response.nonce;
  const stated = new Set(response.resources.map(({ name }) => name));
  // As Envoy does, even with a response that it refuses.
  if (isWild(type)) for (const name of [...subscribed.held.keys()]) if (!stated.has(name)) subscribed.held.delete(name);
  const bad = response.resources.filter(({ version }) => c.refuses(version)).map(({ name }) => name);
  for (const { name, version } of refuse ? [] : response.resources) {
    if (!bad.includes(name) && wants(type, subscribed, name)) subscribed.held.set(name, version);
  }
  const named = bad.length > 0 ? `cannot take ${bad.join(', ')}: bad` : undefined;
  say(c, type, refuse ? 'no' : named);
};

const ask = (c: Client, type: string, names: readonly string[]): void => {
  const before = c.types.get(type) ?? { nonce: '', held: new Map<string, string>(), everNamed: false };
  const after = { ...before, names, everNamed: before.everNamed || names.length > 0 };
  c.types.set(type, after);
  for (const name of [...after.held.keys()]) if (!wants(type, after, name)) after.held.delete(name);
  say(c, type);
};

const written = (c: Client): void => {
  if (!c.writing) return;
  c.writing = false;
  hear(c, { kind: 'written' });
};

const flush = (c: Client): void => {
  const event = c.outbox.shift();
  if (event !== undefined) hear(c, event);
};

const publish = (c: Client, names: Names): void => {
  c.snapshot = snapshotOf(names);
  hear(c, { kind: 'published', snapshot: c.snapshot });
};

const perform = (c: Client, a: Act): void => {
  if (a.do === 'publish') publish(c, a.names);
  else if (a.do === 'ask') ask(c, TYPE[a.type], a.names);
  else if (a.do === 'answer') answer(c, TYPE[a.type], a.refuse);
  else if (a.do === 'receive') receive(c);
  else if (a.do === 'flush') flush(c);
  else if (a.do === 'written') written(c);
  else hear(c, { kind: 'waited' });
};

/** Lets everything under way come to its end. */
const drain = (c: Client): void => {
  for (let i = 0; i < 500; i += 1) {
    written(c);
    receive(c);
    for (const type of [...c.unanswered.keys()]) answer(c, type, false);
    if (!c.writing && c.inbox.length + c.outbox.length + c.unanswered.size === 0) {
      if (!c.session.holding) return;
      hear(c, { kind: 'waited' });
    }
    flush(c);
  }
  assert.fail('the session does not come to rest');
};

/** What was published last, so that nothing changed since the client asked. */
const newestOf = (acts: readonly Act[]): Names => {
  const published = acts.filter((a) => a.do === 'publish').at(-1);
  return published?.do === 'publish' ? published.names : {};
};

const LAST: Names = { cds: { a: '9' }, eds: { a: '9', b: '9' }, sds: { a: '9' }, lds: { b: '9' }, rds: { b: '9' } };

const run = (acts: readonly Act[], last?: Names, refuses: Client['refuses'] = () => false): Client => {
  const c: Client = {
    session: newSession('', 'sotw'),
    snapshot: new Map(),
    inbox: [],
    outbox: [],
    types: new Map(),
    unanswered: new Map(),
    refuses,
    writing: false,
  };
  for (const a of acts) perform(c, a);
  publish(c, last ?? newestOf(acts));
  drain(c);
  return c;
};

/** Of endpoints, routes and secrets a client cannot be told that they are gone: it may hold more. */
const assertConverged = (c: Client): void => {
  for (const [type, subscribed] of c.types) {
    const all = [...(c.snapshot.get(type)?.values() ?? [])].filter(({ name }) => wants(type, subscribed, name));
    for (const { name, version } of all) assert.equal(subscribed.held.get(name), version, `${type} ${name}`);
    if (isWild(type)) assert.equal(subscribed.held.size, all.length, `${type} holds what is gone`);
  }
};

describe('an xDS session of state of the world, whatever happens', function () {
  this.timeout(60_000);

  it('ends with a client that holds all that it subscribed to of the newest snapshot', () => {
    fc.assert(
      fc.property(fc.array(act(false), { maxLength: 80, size: 'max' }), (acts) => {
        const c = run(acts);
        assertConverged(c);
        if (c.session.types.size > 0) assert.equal(c.session.progress, 'settled');
      }),
      { numRuns: 800 },
    );
  });

  it('converges for a client that refuses now and then, too, once the content is other', () => {
    fc.assert(
      fc.property(fc.array(act(true), { maxLength: 80, size: 'max' }), (acts) => assertConverged(run(acts, LAST))),
      { numRuns: 800 },
    );
  });

  it('gives a client that refuses by name all but what it refuses', () => {
    fc.assert(
      fc.property(fc.array(act(false), { maxLength: 80, size: 'max' }), anySnapshot, (acts, last) => {
        const c = run(acts, last, isBad);
        for (const [type, { held, ...subscribed }] of c.types) {
          for (const { name, version } of c.snapshot.get(type)?.values() ?? []) {
            if (!wants(type, { ...subscribed, held }, name) || isBad(version)) continue;
            assert.equal(held.get(name), version, `${type} ${name}`);
          }
        }
      }),
      { numRuns: 800 },
    );
  });
});

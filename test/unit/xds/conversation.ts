import assert from 'node:assert/strict';
import { Any } from '../../../src/gen/google/protobuf/any.ts';
import { type Resource, type Snapshot, TYPE, type TypeName } from '../../../src/xds/resource.ts';
import { newSession, turn } from '../../../src/xds/session.ts';
import type { Notice, SessionEvent, SessionResponse, SessionState, Variant } from '../../../src/xds/sessionState.ts';

/** `{ cds: { a: '1' } }` stands for a snapshot with the cluster `a` in version 1. */
export type Names = Partial<Record<TypeName, Readonly<Record<string, string>>>>;

const made = new Map<string, Resource>();

/** The same value for the same content, as a control plane that encodes once would share it. */
export const resource = (type: TypeName, name: string, version: string): Resource => {
  const key = `${type} ${name} ${version}`;
  const known = made.get(key) ?? {
    name,
    version,
    any: Any.encode({ typeUrl: TYPE[type], value: Buffer.from(key) }).finish(),
  };
  made.set(key, known);
  return known;
};

export const snapshotOf = (names: Names): Snapshot =>
  new Map(
    Object.entries(names).map(([type, versions]) => [
      TYPE[type as TypeName],
      new Map(Object.entries(versions).map(([n, v]) => [n, resource(type as TypeName, n, v)])),
    ]),
  );

/** `cds +a@1 +b@1 -c`; state of the world has no words for a removal. */
export const showResponse = (r: SessionResponse): string => {
  const type = Object.entries(TYPE).find(([, url]) => url === r.type)?.[0] ?? r.type;
  const removed = r.variant === 'delta' ? r.removed : [];
  return [type, ...r.resources.map((x) => `+${x.name}@${x.version}`), ...removed.map((x) => `-${x}`)].join(' ');
};

export type Conversation = {
  state: SessionState;
  readonly nonces: Map<string, string>;
  /** What a client of state of the world says in every request. */
  readonly names: Map<string, readonly string[]>;
  readonly notices: Notice[];
  /** Responses are written as soon as they come out, unless a row says otherwise. */
  writes: boolean;
};

export type Step = (c: Conversation) => SessionEvent;

type Asking = { sub?: readonly string[]; unsub?: readonly string[]; has?: Readonly<Record<string, string>> };

/** A request of delta, word for word. */
export const request = (type: string, nonce: string, error?: string, asking: Asking = {}): SessionEvent => ({
  kind: 'request',
  variant: 'delta',
  type,
  nonce,
  error,
  subscribe: asking.sub ?? [],
  unsubscribe: asking.unsub ?? [],
  initialResourceVersions: new Map(Object.entries(asking.has ?? {})),
});

export const ask =
  (type: TypeName, asking: Asking = {}): Step =>
  () =>
    request(TYPE[type], '', undefined, asking);

export const askUnknownType =
  (type: string, asking: Asking = {}): Step =>
  () =>
    request(type, '', undefined, asking);

export const ack =
  (type: TypeName, asking: Asking = {}): Step =>
  (c) =>
    request(TYPE[type], c.nonces.get(TYPE[type]) ?? 'none yet', undefined, asking);

export const nack =
  (type: TypeName, error = 'no'): Step =>
  (c) =>
    request(TYPE[type], c.nonces.get(TYPE[type]) ?? 'none yet', error, {});

export const withNonce =
  (type: TypeName, nonce: string, asking: Asking = {}, error?: string): Step =>
  () =>
    request(TYPE[type], nonce, error, asking);

export const publish =
  (names: Names): Step =>
  () => ({ kind: 'published', snapshot: snapshotOf(names) });

export const waited: Step = () => ({ kind: 'waited' });

export const holdWrites: Step = (c) => {
  c.writes = false;
  return { kind: 'waited' };
};

export const written: Step = (c) => {
  c.writes = true;
  return { kind: 'written' };
};

export const newConversation = (variant: Variant = 'delta'): Conversation => ({
  state: newSession('', variant),
  nonces: new Map(),
  names: new Map(),
  notices: [],
  writes: true,
});

/** Feeds one step and everything that follows from it; gives what was sent. */
export const say = (c: Conversation, step: Step): readonly string[] => {
  const sent: string[] = [];
  let event: SessionEvent | undefined = step(c);
  while (event !== undefined) {
    const { state, responses, notices } = turn(c.state, event);
    c.state = state;
    c.notices.push(...notices);
    for (const response of responses) {
      sent.push(showResponse(response));
      c.nonces.set(response.type, response.nonce);
    }
    event = responses.length > 0 && c.writes ? { kind: 'written' } : undefined;
  }
  return sent;
};

/** One rule of the protocol and a conversation that shows it: what is said, and what is sent because of it. */
export type Row = { readonly rule: string; readonly talk: readonly (readonly [Step, ...string[]])[] };

export const whole = (v: string): Names => ({
  cds: { a: v },
  eds: { a: v },
  sds: { s: v },
  lds: { l: v },
  rds: { r: v },
});
/** An Envoy that has everything of `whole('1')`. */
export const settled: Row['talk'] = [
  [publish(whole('1'))],
  [ask('cds'), 'cds +a@1'],
  [ask('eds', { sub: ['a'] }), 'eds +a@1'],
  [ack('cds')],
  [ack('eds')],
  [ask('lds'), 'lds +l@1'],
  [ask('sds', { sub: ['s'] }), 'sds +s@1'],
  [ask('rds', { sub: ['r'] }), 'rds +r@1'],
  [ack('lds')],
  [ack('sds')],
  [ack('rds')],
];

/** A test for each row. */
export const converse = (rows: readonly Row[], variant: Variant = 'delta'): void => {
  for (const { rule, talk } of rows) {
    it(rule, () => {
      const c = newConversation(variant);
      talk.forEach(([step, ...expected], i) => {
        assert.deepEqual(say(c, step), expected, `step ${i + 1}`);
      });
    });
  }
};

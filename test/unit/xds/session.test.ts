import assert from 'node:assert/strict';
import { TYPE } from '../../../src/xds/resource.ts';
import { LIMITS, newSession, turn } from '../../../src/xds/session.ts';
import {
  ack,
  ask,
  askUnknownType,
  converse,
  holdWrites,
  type Names,
  nack,
  newConversation,
  publish,
  type Row,
  say,
  settled,
  whole,
  withNonce,
  written,
} from './conversation.ts';

const pair: Names = { cds: { a: '1', b: '1' } };

const acknowledgements: readonly Row[] = [
  {
    rule: 'an ACK is not answered',
    talk: [[publish(pair)], [ask('cds'), 'cds +a@1 +b@1'], [ack('cds')], [publish(pair)]],
  },
  {
    rule: 'one response of a type is unacked at a time, and the newest snapshot wins when the ACK comes',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [publish({ cds: { a: '2' } })],
      [publish({ cds: { a: '3' } })],
      [ack('cds'), 'cds +a@3'],
    ],
  },
  {
    rule: 'one response is written at a time, and the next is chosen when it is out',
    talk: [
      [publish(whole('1'))],
      [holdWrites],
      [ask('cds'), 'cds +a@1'],
      [ask('eds', { sub: ['a'] })],
      [publish(whole('2'))],
      [written, 'eds +a@2'],
    ],
  },
  {
    rule: 'a NACKed version is not sent again, and other types go on',
    talk: [
      ...settled,
      [publish(whole('2')), 'cds +a@2', 'eds +a@2', 'sds +s@2'],
      [ack('eds')],
      [ack('sds')],
      [nack('cds'), 'lds +l@2'],
      [ack('lds'), 'rds +r@2'],
      [ack('rds')],
      [publish(whole('2'))],
    ],
  },
  {
    rule: 'after a NACK other content is sent',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [nack('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
    ],
  },
  {
    rule: 'after a NACK the rest of the type goes on',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [nack('cds')],
      [publish({ cds: { a: '1', b: '1' } }), 'cds +b@1'],
    ],
  },
  {
    rule: 'after a NACK the content from before is sent: a part of the refused response may be in force',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [ack('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
      [nack('cds')],
      [publish({ cds: { a: '1' } }), 'cds +a@1'],
    ],
  },
  {
    rule: 'what was NACKed and is gone is removed',
    talk: [[publish({ cds: { a: '1' } })], [ask('cds'), 'cds +a@1'], [nack('cds')], [publish({ cds: {} }), 'cds -a']],
  },
  {
    rule: 'a NACKed name that is asked for again is sent again',
    talk: [
      [publish({ eds: { a: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [nack('eds')],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
    ],
  },
  {
    rule: 'a stale nonce acknowledges nothing',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [withNonce('cds', 'old')],
      [publish({ cds: { a: '2' } })],
      [ack('cds'), 'cds +a@2'],
    ],
  },
  {
    rule: 'an error without a nonce, or with a stale one, refuses nothing',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [withNonce('cds', '', {}, 'no')],
      [withNonce('cds', 'old', {}, 'no')],
      [publish({ cds: { a: '2' } })],
      [ack('cds'), 'cds +a@2'],
    ],
  },
  {
    rule: 'a subscription on a stale nonce counts',
    talk: [
      [publish({ eds: { a: '1', b: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [withNonce('eds', 'old', { sub: ['b'] })],
      [ack('eds'), 'eds +b@1'],
    ],
  },
  {
    rule: 'a name dropped while its response is under way is not held afterwards',
    talk: [
      [publish({ eds: { a: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [ack('eds', { unsub: ['a'] })],
      [publish({ eds: {} })],
    ],
  },
  {
    rule: 'what leaves the snapshot is removed once',
    talk: [
      [publish(pair)],
      [ask('cds'), 'cds +a@1 +b@1'],
      [ack('cds')],
      [publish({ cds: { a: '1' } }), 'cds -b'],
      [ack('cds')],
      [publish({ cds: { a: '1' } })],
    ],
  },
  {
    rule: 'what comes back while its removal is under way is sent again',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [ack('cds')],
      [publish({ cds: {} }), 'cds -a'],
      [publish({ cds: { a: '1' } })],
      [ack('cds'), 'cds +a@1'],
    ],
  },
  {
    rule: 'content that went back while the newer was under way is sent again',
    talk: [
      [publish({ cds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [ack('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
      [publish({ cds: { a: '1' } })],
      [ack('cds'), 'cds +a@1'],
    ],
  },
];

describe('an xDS session', () => {
  describe('ACK and NACK', () => converse(acknowledgements));

  it('reports each ACK with the version of the whole type, the same in whatever order it got there', () => {
    const [slow, fast] = [newConversation(), newConversation()];
    for (const step of [publish({ cds: { a: '1' } }), ask('cds'), ack('cds'), publish(pair), ack('cds')])
      say(slow, step);
    for (const step of [ask('cds'), publish({ cds: { b: '1', a: '1' } }), ack('cds')]) say(fast, step);
    const versions = [slow, fast].map((c) => c.notices.filter((n) => n.kind === 'acked').at(-1)?.version);
    assert.equal(versions[0], versions[1]);
    const others = slow.notices.filter((n) => n.kind === 'acked').map((n) => n.version);
    assert.equal(new Set(others).size, 2);
  });

  it('reports a NACK with the words of the client and all that the response held', () => {
    const c = newConversation();
    for (const step of [publish(pair), ask('cds', { sub: ['*', 'x'] }), nack('cds', 'bad port')]) say(c, step);
    const nacked = c.notices.find((n) => n.kind === 'nacked');
    assert.ok(nacked?.kind === 'nacked');
    assert.equal(nacked.error, 'bad port');
    assert.equal(nacked.type, TYPE.cds);
    assert.deepEqual(nacked.resources, [
      { name: 'a', version: '1' },
      { name: 'b', version: '1' },
    ]);
    assert.deepEqual(nacked.removed, ['x']);
  });

  it('says when a client has taken everything, and when it has refused a part', () => {
    const c = newConversation();
    const progress = (): unknown => c.notices.filter((n) => n.kind === 'progress').at(-1)?.progress;
    for (const step of [publish(pair), ask('cds')]) say(c, step);
    assert.equal(c.state.progress, 'pending');
    say(c, ack('cds'));
    assert.equal(progress(), 'settled');
    say(c, publish({ cds: { a: '2', b: '1' } }));
    assert.equal(progress(), 'pending');
    say(c, nack('cds'));
    assert.equal(progress(), 'refused');
    say(c, publish({ cds: { a: '3', b: '1' } }));
    say(c, ack('cds'));
    assert.equal(progress(), 'settled');
  });

  it('says what a client holds of the type that it comes back with last, although nothing is left to send', () => {
    const c = newConversation();
    say(c, publish({ cds: { a: '1' }, sds: { s: '1' } }));
    say(c, ask('cds', { has: { a: '1' } }));
    assert.equal(c.state.progress, 'settled');
    assert.deepEqual(say(c, ask('sds', { sub: ['s'], has: { s: '1' } })), []);
    const last = c.notices.at(-1);
    assert.ok(last?.kind === 'progress');
    assert.equal(last.progress, 'settled');
    assert.deepEqual([...(last.held.get(TYPE.sds) ?? [])], [['s', '1']]);
  });

  it('ends a stream that subscribes without end', () => {
    const c = newConversation();
    say(c, publish({}));
    const names = Array.from({ length: LIMITS.names + 1 }, (_, i) => `n${i}`);
    assert.deepEqual(say(c, ask('eds', { sub: names })), []);
    assert.equal(c.notices.at(-1)?.kind, 'overrun');
    const d = newConversation();
    say(d, publish({}));
    for (let i = 0; i <= LIMITS.types; i += 1) say(d, askUnknownType(`t${i}`, { sub: ['n'] }));
    assert.equal(d.notices.at(-1)?.kind, 'overrun');
  });

  it('ends a stream that comes back with versions without end', () => {
    const c = newConversation();
    say(c, publish({}));
    const has = Object.fromEntries(Array.from({ length: LIMITS.names + 1 }, (_, i) => [`n${i}`, '1']));
    assert.deepEqual(say(c, ask('cds', { has })), []);
    assert.equal(c.notices.at(-1)?.kind, 'overrun');
  });

  it('gives nonces that mean nothing on another stream', () => {
    const first = turn(newSession('x-'), publish(pair)(newConversation()));
    const sent = turn(first.state, ask('cds')(newConversation()));
    assert.equal(sent.responses[0]?.nonce, 'x-1');
  });
});

import assert from 'node:assert/strict';
import { LIMITS } from '../../../src/xds/session.ts';
import {
  converse,
  holdWrites,
  type Names,
  newConversation,
  publish,
  type Row,
  say,
  whole,
  written,
} from './conversation.ts';
import { ack, nack, settledSotw, versionOf, want } from './sotwConversation.ts';

const pair: Names = { cds: { a: '1', b: '1' } };
const pairOfEndpoints: Names = { eds: { a: '1', b: '1' } };

const acknowledgements: readonly Row[] = [
  {
    rule: 'the first request is answered, the first snapshot may come later, and an ACK is not answered',
    talk: [[want('cds')], [publish(pair), 'cds +a@1 +b@1'], [ack('cds')], [publish(pair)]],
  },
  {
    rule: 'one response of a type is unacked at a time, and the newest snapshot wins when the ACK comes',
    talk: [
      [publish({ cds: { a: '1' } })],
      [want('cds'), 'cds +a@1'],
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
      [want('cds'), 'cds +a@1'],
      [want('eds', ['a'])],
      [publish(whole('2'))],
      [written, 'eds +a@2'],
    ],
  },
  {
    rule: 'a NACKed version is not sent again until the content changes, and other types go on',
    talk: [
      ...settledSotw,
      [publish(whole('2')), 'cds +a@2', 'eds +a@2', 'sds +s@2'],
      [ack('eds')],
      [ack('sds')],
      [nack('cds'), 'lds +l@2'],
      [ack('lds'), 'rds +r@2'],
      [ack('rds')],
      [publish(whole('2'))],
      [publish({ ...whole('2'), cds: { a: '3' } }), 'cds +a@3', 'eds +a@2'],
    ],
  },
  {
    rule: 'after a NACK the rest of the type goes on, with the last good form of what was refused',
    talk: [
      [publish({ cds: { a: '1' } })],
      [want('cds'), 'cds +a@1'],
      [ack('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
      [nack('cds')],
      [publish({ cds: { a: '2', b: '1' } }), 'cds +a@1 +b@1'],
      [ack('cds')],
      [publish({ cds: { a: '3', b: '1' } }), 'cds +a@3 +b@1'],
    ],
  },
  {
    rule: 'what was refused and was never good is said again with the next change: leaving it out would delete its good part',
    talk: [
      [publish(pair)],
      [want('cds'), 'cds +a@1 +b@1'],
      [nack('cds')],
      [publish(pair)],
      [publish({ cds: { a: '1', b: '2' } }), 'cds +a@1 +b@2'],
      [nack('cds')],
      [publish({ cds: { a: '1', b: '2' } })],
    ],
  },
  {
    rule: 'what was NACKed and is gone is left out',
    talk: [[publish(pair)], [want('cds'), 'cds +a@1 +b@1'], [nack('cds')], [publish({ cds: { b: '1' } }), 'cds +b@1']],
  },
  {
    rule: 'what a NACKed response left out stays left out',
    talk: [
      [publish({ lds: { l: '1', m: '1' } })],
      [want('lds'), 'lds +l@1 +m@1'],
      [ack('lds')],
      [publish({ lds: { m: '2' } }), 'lds +m@2'],
      [nack('lds')],
      [publish({ lds: { m: '2', n: '1' } }), 'lds +m@1 +n@1'],
    ],
  },
  {
    rule: 'after a NACK the content from before is sent',
    talk: [
      [publish({ cds: { a: '1' } })],
      [want('cds'), 'cds +a@1'],
      [ack('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
      [nack('cds')],
      [publish({ cds: { a: '1' } }), 'cds +a@1'],
    ],
  },
  {
    rule: 'a NACK may change the names as well',
    talk: [
      [publish(pairOfEndpoints)],
      [want('eds', ['a']), 'eds +a@1'],
      [want('eds', ['a', 'b'], { error: 'no' }), 'eds +b@1'],
    ],
  },
  {
    rule: 'a request with a stale nonce acknowledges nothing, refuses nothing and is not answered',
    talk: [
      [publish(pairOfEndpoints)],
      [want('eds', ['a']), 'eds +a@1'],
      [want('eds', ['a', 'b'], { nonce: '' })],
      [want('eds', ['a', 'b'], { nonce: 'old', error: 'no' })],
      [publish({ eds: { a: '2', b: '1' } })],
      [want('eds', ['a', 'b']), 'eds +b@1 +a@2'],
    ],
  },
];

const subscriptions: readonly Row[] = [
  {
    rule: 'a name dropped and taken up again while a response is under way is sent again',
    talk: [
      [publish({ eds: { a: '1' } })],
      [want('eds', ['a', 'b']), 'eds +a@1'],
      [ack('eds')],
      [publish(pairOfEndpoints), 'eds +b@1'],
      [want('eds', ['b'], { nonce: '1' })],
      [want('eds', ['a', 'b'], { nonce: '1' })],
      [ack('eds'), 'eds +a@1'],
    ],
  },
  {
    rule: 'names with a nonce of long ago count for nothing',
    talk: [
      [publish(pairOfEndpoints)],
      [want('eds', ['a']), 'eds +a@1'],
      [ack('eds')],
      [want('eds', ['a', 'b'], { nonce: 'old' })],
    ],
  },
  {
    rule: 'changed names bring what is new among them, and no more',
    talk: [
      [publish(pairOfEndpoints)],
      [want('eds', ['a']), 'eds +a@1'],
      [ack('eds')],
      [want('eds', ['a', 'b']), 'eds +b@1'],
      [ack('eds')],
      [want('eds', ['b', 'a'])],
    ],
  },
  {
    rule: 'a name that was left out is unsubscribed, and sent again when it is back',
    talk: [
      [publish(pairOfEndpoints)],
      [want('eds', ['a', 'b']), 'eds +a@1 +b@1'],
      [want('eds', ['b'])],
      [publish({ eds: { a: '2', b: '1' } })],
      [want('eds', ['a', 'b']), 'eds +a@2'],
    ],
  },
  {
    rule: 'a list that becomes empty unsubscribes from everything',
    talk: [
      [publish(pairOfEndpoints)],
      [want('eds', ['a', 'b']), 'eds +a@1 +b@1'],
      [want('eds', [])],
      [publish({ eds: { a: '2', b: '2' } })],
    ],
  },
  {
    rule: 'only clusters and listeners have a wildcard',
    talk: [
      [publish(whole('1'))],
      [want('eds')],
      [want('sds')],
      [want('rds')],
      [want('lds'), 'lds +l@1'],
      [want('eds', ['*']), 'eds'],
    ],
  },
  {
    rule: 'the implicit wildcard goes on as *, may have a name beside it, ends with its absence, and does not come back',
    talk: [
      [publish(pair)],
      [want('cds'), 'cds +a@1 +b@1'],
      [want('cds', ['*', 'a']), 'cds +a@1 +b@1'],
      [want('cds', ['*'])],
      [want('cds', ['*', 'a']), 'cds +a@1 +b@1'],
      [want('cds', ['a'])],
      [publish({ cds: { a: '2', b: '2' } }), 'cds +a@2'],
      [want('cds', [])],
      [publish({ cds: { a: '3', b: '3' } })],
      [want('cds', ['*']), 'cds +a@3 +b@3'],
    ],
  },
  {
    rule: 'clusters asked for by name are answered with all that were asked for, and nothing else',
    talk: [
      [publish({ cds: { a: '1', b: '1', c: '1' } })],
      [want('cds', ['a']), 'cds +a@1'],
      [want('cds', ['a', 'b']), 'cds +a@1 +b@1'],
      [ack('cds')],
      [publish({ cds: { a: '1', b: '2', c: '2' } }), 'cds +a@1 +b@2'],
    ],
  },
  {
    rule: 'a name that does not exist is answered by its absence, and sent when it comes to be',
    talk: [
      [publish({ sds: { s: '1' } })],
      [want('sds', ['s', 'nobody']), 'sds +s@1'],
      [ack('sds')],
      [want('sds', ['s', 'nobody', 'nowhere']), 'sds'],
      [ack('sds')],
      [publish({ sds: { s: '1', nobody: '1' } }), 'sds +nobody@1'],
    ],
  },
];

const groups: readonly Row[] = [
  {
    rule: 'a change of a cluster or listener brings all of them, a change of another type only itself',
    talk: [
      [publish({ ...pair, ...pairOfEndpoints })],
      [want('eds', ['a', 'b']), 'eds +a@1 +b@1'],
      [ack('eds')],
      [want('lds'), 'lds'],
      [ack('lds')],
      [publish({ eds: { a: '2', b: '1' }, lds: { l: '1' } }), 'eds +a@2'],
      [ack('eds'), 'lds +l@1'],
      [ack('lds')],
      [publish({ eds: { a: '2', b: '1' }, lds: { l: '1', m: '1' } }), 'lds +l@1 +m@1'],
    ],
  },
  {
    rule: 'a cluster that is gone is left out, and the last one leaves an empty response',
    talk: [
      [publish(pair)],
      [want('cds'), 'cds +a@1 +b@1'],
      [ack('cds')],
      [publish({ cds: { a: '1' } }), 'cds +a@1'],
      [ack('cds')],
      [publish({}), 'cds'],
      [ack('cds')],
      [publish({})],
    ],
  },
  {
    rule: 'endpoints, routes and secrets that are gone are not mentioned, and sent again when they are back',
    talk: [
      [publish({ eds: { a: '1' }, rds: { r: '1' }, sds: { s: '1' } })],
      [want('eds', ['a']), 'eds +a@1'],
      [ack('eds')],
      [want('sds', ['s']), 'sds +s@1'],
      [ack('sds')],
      [want('rds', ['r']), 'rds +r@1'],
      [ack('rds')],
      [publish({})],
      [publish({ eds: { a: '1' }, rds: { r: '1' }, sds: { s: '1' } }), 'eds +a@1', 'sds +s@1'],
      [ack('eds')],
      [ack('sds'), 'rds +r@1'],
    ],
  },
];

describe('an xDS session of state of the world', () => {
  describe('ACK and NACK', () => converse(acknowledgements, 'sotw'));
  describe('subscriptions', () => converse(subscriptions, 'sotw'));
  describe('what a response holds', () => converse(groups, 'sotw'));

  it('has a version for the whole type: equal for equal contents, however the client came by them', () => {
    const c = newConversation('sotw');
    for (const step of [publish({ cds: { b: '1' } }), want('cds'), publish(pair), ack('cds'), ack('cds')]) say(c, step);
    const [first, second] = c.notices.filter((n) => n.kind === 'acked').map((n) => n.version);
    assert.equal(second, versionOf(pair, 'cds'));
    assert.notEqual(first, second);
  });

  it('reports as NACKed what was new in the response, not what was only said again', () => {
    const c = newConversation('sotw');
    const steps = [publish(pair), want('cds'), ack('cds'), publish({ cds: { a: '1', b: '2', c: '1' } }), nack('cds')];
    for (const step of steps) say(c, step);
    const nacked = c.notices.find((n) => n.kind === 'nacked');
    assert.ok(nacked?.kind === 'nacked');
    assert.deepEqual(
      nacked.resources.map(({ name, version }) => `${name}@${version}`),
      ['b@2', 'c@1'],
    );
    assert.equal(c.state.progress, 'refused');
  });

  it('says when a client has taken everything, gone endpoints or not', () => {
    const c = newConversation('sotw');
    for (const step of [publish({ eds: { a: '1', b: '1' } }), want('eds', ['a', 'b'])]) say(c, step);
    assert.equal(c.state.progress, 'pending');
    say(c, ack('eds'));
    assert.equal(c.state.progress, 'settled');
    say(c, publish({ eds: { a: '1' } }));
    assert.equal(c.state.progress, 'settled');
  });

  it('ends a stream that subscribes without end', () => {
    const c = newConversation('sotw');
    say(c, publish({}));
    assert.deepEqual(
      say(
        c,
        want(
          'eds',
          Array.from({ length: LIMITS.names + 1 }, (_, i) => `n${i}`),
        ),
      ),
      [],
    );
    assert.equal(c.notices.at(-1)?.kind, 'overrun');
  });
});

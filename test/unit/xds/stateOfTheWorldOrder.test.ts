import assert from 'node:assert/strict';
import { converse, type Names, newConversation, publish, type Row, say, whole } from './conversation.ts';
import { ack, settledSotw, versionOf, want } from './sotwConversation.ts';

const pair: Names = { cds: { a: '1', b: '1' } };
const pairOfEndpoints: Names = { eds: { a: '1', b: '1' } };

const order: readonly Row[] = [
  {
    rule: 'makes before it breaks: a cluster that leaves is said again until nothing refers to it any more',
    talk: [
      ...settledSotw,
      [publish({ ...whole('2'), cds: { b: '1' }, eds: { b: '1' }, sds: { s: '1' } }), 'cds +a@1 +b@1'],
      [want('eds', ['a', 'b']), 'eds +b@1'],
      [ack('cds')],
      [ack('eds'), 'lds +l@2'],
      [ack('lds'), 'rds +r@2'],
      [ack('rds'), 'cds +b@1'],
      [want('eds', ['b'])],
      [ack('cds')],
    ],
  },
  {
    rule: 'endpoints are sent again after their cluster changed',
    talk: [
      ...settledSotw,
      [publish({ ...whole('1'), cds: { a: '2' } }), 'cds +a@2', 'eds +a@1'],
      [ack('eds')],
      [ack('cds')],
    ],
  },
  {
    rule: 'but not those of clusters that are only said again',
    talk: [
      [publish({ cds: { a: '1', b: '1' }, ...pairOfEndpoints })],
      [want('cds'), 'cds +a@1 +b@1'],
      [want('eds', ['a', 'b']), 'eds +a@1 +b@1'],
      [ack('eds')],
      [ack('cds')],
      [publish({ cds: { a: '1', b: '2' }, ...pairOfEndpoints }), 'cds +a@1 +b@2', 'eds +b@1'],
    ],
  },
  {
    rule: 'while listeners or routes wait, listeners asked for by name come with the others as they were',
    talk: [
      [publish(whole('1'))],
      [want('lds', ['l']), 'lds +l@1'],
      [ack('lds')],
      [want('cds'), 'cds +a@1'],
      [publish({ ...whole('1'), lds: { l: '2', m: '2' } })],
      [want('lds', ['l', 'm']), 'lds +l@1 +m@2'],
      [ack('lds')],
      [ack('cds'), 'lds +l@2 +m@2'],
    ],
  },
];

const returns: readonly Row[] = [
  {
    rule: 'who comes back with the version of all clusters is sent none, and then the changes',
    talk: [
      [publish(pair)],
      [want('cds', [], { version: versionOf(pair, 'cds') })],
      [publish({ cds: { a: '2', b: '1' } }), 'cds +a@2 +b@1'],
      [ack('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
    ],
  },
  {
    rule: 'the same when the first snapshot comes late',
    talk: [
      [want('cds', [], { version: versionOf(pair, 'cds') })],
      [publish(pair)],
      [publish({ cds: { b: '1' } }), 'cds +b@1'],
    ],
  },
  {
    rule: 'who comes back with another version is sent everything, an empty everything too',
    talk: [
      [want('cds', [], { version: versionOf(pair, 'cds') })],
      [want('lds', [], { version: versionOf({ lds: { l: '1' } }, 'lds') })],
      [publish({ cds: { a: '1' } }), 'cds +a@1', 'lds'],
    ],
  },
  {
    rule: 'what is asked for by name is sent to who comes back, whatever the version: it may have been forgotten',
    talk: [
      [publish({ ...pair, eds: { a: '1' } })],
      [want('eds', ['a'], { version: versionOf({ cds: { a: '1' } }, 'cds') }), 'eds +a@1'],
      [want('cds', ['a', 'b'], { version: versionOf(pair, 'cds') }), 'cds +a@1 +b@1'],
    ],
  },
  {
    rule: 'a claimed version says nothing about names that were given before there was a snapshot',
    talk: [[want('cds', [], { version: versionOf(pair, 'cds') })], [want('cds', ['a'])], [publish(pair), 'cds +a@1']],
  },
];

describe('an xDS session of state of the world with a client that comes back, or refers to things', () => {
  describe('order', () => converse(order, 'sotw'));
  describe('coming back', () => converse(returns, 'sotw'));

  it('counts nothing as held that was claimed and then no longer asked for', () => {
    const c = newConversation('sotw');
    const claim = want('cds', [], { version: versionOf(pair, 'cds') });
    for (const step of [claim, want('cds', ['a']), publish(pair), ack('cds')]) say(c, step);
    const acked = c.notices.find((n) => n.kind === 'acked');
    assert.equal(acked?.kind === 'acked' && acked.version, versionOf({ cds: { a: '1' } }, 'cds'));
  });
});

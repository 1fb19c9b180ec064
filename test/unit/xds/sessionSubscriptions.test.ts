import { ack, ask, askUnknownType, converse, type Names, publish, type Row, waited, whole } from './conversation.ts';

const pair: Names = { cds: { a: '1', b: '1' } };

const subscriptions: readonly Row[] = [
  {
    rule: 'nothing is answered before there is a snapshot',
    talk: [
      [ask('cds')],
      [ask('eds', { sub: ['a'] })],
      [publish({ ...pair, eds: { a: '1' } }), 'cds +a@1 +b@1', 'eds +a@1'],
    ],
  },
  {
    rule: 'an empty first request for clusters or listeners is a wildcard',
    talk: [[publish({ ...pair, lds: { l: '1' } })], [ask('cds'), 'cds +a@1 +b@1'], [ask('lds'), 'lds +l@1']],
  },
  { rule: 'an explicit * is a wildcard', talk: [[publish(pair)], [ask('cds', { sub: ['*'] }), 'cds +a@1 +b@1']] },
  {
    rule: 'a wildcard is answered even if there is nothing, so that Envoy need not wait for a timeout',
    talk: [[publish({})], [ask('cds'), 'cds'], [ack('cds')], [ask('lds'), 'lds']],
  },
  {
    rule: 'an empty first request for other types subscribes to nothing',
    talk: [[publish({ eds: { a: '1' }, sds: { s: '1' } })], [ask('eds')], [ask('sds')]],
  },
  {
    rule: 'a * for secrets is a name like any other, and does not exist',
    talk: [[publish({ sds: { s: '1' } })], [ask('sds', { sub: ['*'] }), 'sds -*']],
  },
  {
    rule: 'only what is subscribed to is sent',
    talk: [
      [publish({ eds: { a: '1', b: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [ack('eds')],
      [publish({ eds: { a: '1', b: '2' } })],
    ],
  },
  {
    rule: 'a name that does not exist is answered in removed_resources',
    talk: [[publish({ sds: { s: '1' } })], [ask('sds', { sub: ['s', 'foreign'] }), 'sds +s@1 -foreign']],
  },
  {
    rule: 'a name that does not exist yet is sent when it comes, and not announced as missing twice',
    talk: [
      [publish({})],
      [ask('sds', { sub: ['s'] }), 'sds -s'],
      [ack('sds')],
      [publish({ cds: {} })],
      [publish({ sds: { s: '1' } }), 'sds +s@1'],
    ],
  },
  {
    rule: 'a name that is subscribed again is sent again',
    talk: [
      [publish({ eds: { a: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [ack('eds')],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
    ],
  },
  {
    rule: 'a name that was dropped and added again is sent again',
    talk: [
      [publish({ eds: { a: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [ack('eds')],
      [ask('eds', { unsub: ['a'] })],
      [publish({ eds: { a: '2' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@2'],
    ],
  },
  {
    rule: 'unsubscribing a name is not answered, and a phantom one is ignored',
    talk: [
      [publish({ eds: { a: '1' } })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [ack('eds')],
      [ask('eds', { unsub: ['a', 'x'] })],
    ],
  },
  {
    rule: 'a name dropped under a wildcard is told whether it stays',
    talk: [
      [publish(pair)],
      [ask('cds'), 'cds +a@1 +b@1'],
      [ack('cds')],
      [ask('cds', { sub: ['a', 'x'] }), 'cds +a@1 -x'],
      [ack('cds')],
      [ask('cds', { unsub: ['a', 'x'] }), 'cds +a@1 -x'],
    ],
  },
  {
    rule: 'a wildcard goes on beside a name, and ends with an unsubscribed *',
    talk: [
      [publish(pair)],
      [ask('cds'), 'cds +a@1 +b@1'],
      [ack('cds', { sub: ['a'] }), 'cds +a@1'],
      [ack('cds')],
      [publish({ cds: { a: '1', b: '2' } }), 'cds +b@2'],
      [ack('cds', { unsub: ['*'] })],
      [publish({ cds: { a: '2', b: '3' } }), 'cds +a@2'],
      [ack('cds', { unsub: ['a'] })],
      [ask('cds')],
      [publish({ cds: { a: '3' } })],
    ],
  },
  {
    rule: 'an empty request after the first is no wildcard',
    talk: [[publish(pair)], [ask('cds', { sub: ['a'] }), 'cds +a@1'], [ack('cds', { unsub: ['a'] })], [ask('cds')]],
  },
  {
    rule: 'a * subscribed again brings everything again',
    talk: [[publish(pair)], [ask('cds'), 'cds +a@1 +b@1'], [ack('cds')], [ask('cds', { sub: ['*'] }), 'cds +a@1 +b@1']],
  },
  {
    rule: 'a type that nobody serves exists nowhere',
    talk: [[publish(pair)], [askUnknownType('type.googleapis.com/x.Y', { sub: ['n'] }), 'type.googleapis.com/x.Y -n']],
  },
];

const reconnects: readonly Row[] = [
  {
    rule: 'who comes back with everything is sent nothing',
    talk: [
      [publish(whole('1'))],
      [ask('cds', { has: { a: '1' } })],
      [ask('eds', { sub: ['a'], has: { a: '1' } })],
      [ask('lds', { has: { l: '1' } })],
      [ask('rds', { sub: ['r'], has: { r: '1' } })],
    ],
  },
  {
    rule: 'who comes back is sent the differences, and what vanished is removed',
    talk: [
      [publish({ cds: { same: '1', new: '1', changed: '2' } })],
      [ask('cds', { has: { same: '1', changed: '1', gone: '1' } }), 'cds +new@1 +changed@2'],
      [ack('cds')],
      [waited, 'cds -gone'],
    ],
  },
  {
    rule: 'initial versions of names that are not subscribed to count for nothing',
    talk: [[publish({ eds: { a: '1' } })], [ask('eds', { sub: ['a'], has: { other: '1' } }), 'eds +a@1']],
  },
  {
    rule: 'initial versions count in the first request only',
    talk: [[publish({ eds: { a: '1' } })], [ask('eds', { sub: ['a'] }), 'eds +a@1'], [ack('eds', { has: { a: '9' } })]],
  },
  {
    rule: 'a vanished secret is removed for who comes back with it',
    talk: [[publish({ sds: {} })], [ask('sds', { sub: ['s'], has: { s: '1' } })], [waited, 'sds -s']],
  },
  {
    rule: 'nothing is removed before who comes back could say what still refers to it',
    talk: [
      [publish({ rds: { r: '2' }, lds: { l: '1' } })],
      [ask('cds', { has: { a: '1' } })],
      [ask('lds', { has: { l: '1' } })],
      [ask('rds', { sub: ['r'], has: { r: '1' } }), 'rds +r@2'],
      [waited],
      [ack('rds'), 'cds -a'],
    ],
  },
  {
    rule: 'the wait of who comes back is not that of who does not answer',
    talk: [
      [publish({ ...whole('1'), cds: { a: '2' }, lds: { l: '2' } })],
      [ask('cds', { has: { a: '1' } }), 'cds +a@2'],
      [ask('eds', { sub: ['a'], has: { a: '1' } }), 'eds +a@1'],
      [ask('lds', { has: { l: '1' } })],
      [waited],
      [waited, 'lds +l@2'],
    ],
  },
  {
    rule: 'changed routes wait for the clusters of who comes back',
    talk: [
      [publish({ cds: { a: '1', b: '1' }, eds: { a: '1', b: '1' }, lds: { l: '1' }, rds: { r: '2' } })],
      [ask('cds', { has: { a: '1' } }), 'cds +b@1'],
      [ask('eds', { sub: ['a'], has: { a: '1' } })],
      [ask('lds', { has: { l: '1' } })],
      [ask('rds', { sub: ['r'], has: { r: '1' } })],
      [ack('cds')],
      [ask('eds', { sub: ['b'] }), 'eds +b@1'],
      [ack('eds'), 'rds +r@2'],
    ],
  },
];

describe('an xDS session', () => {
  describe('subscriptions', () => converse(subscriptions));
  describe('coming back', () => converse(reconnects));
});

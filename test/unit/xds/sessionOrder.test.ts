import {
  ack,
  ask,
  converse,
  holdWrites,
  nack,
  publish,
  type Row,
  settled,
  waited,
  whole,
  written,
} from './conversation.ts';

const order: readonly Row[] = [
  {
    rule: 'clusters, endpoints and secrets go before listeners, listeners before routes',
    talk: [
      ...settled,
      [publish(whole('2')), 'cds +a@2', 'eds +a@2', 'sds +s@2'],
      [ack('sds')],
      [ack('cds')],
      [ack('eds'), 'lds +l@2'],
      [ack('lds'), 'rds +r@2'],
    ],
  },
  {
    rule: 'routes alone wait for nothing',
    talk: [...settled, [publish({ ...whole('1'), rds: { r: '2' } }), 'rds +r@2']],
  },
  {
    rule: 'a secret alone waits for nothing',
    talk: [...settled, [publish({ ...whole('1'), sds: { s: '2' } }), 'sds +s@2']],
  },
  {
    rule: 'endpoints are sent again after their cluster changed',
    talk: [
      ...settled,
      [publish({ ...whole('1'), cds: { a: '2' } }), 'cds +a@2', 'eds +a@1'],
      [ack('cds')],
      [ack('eds')],
      [publish(whole('1')), 'cds +a@1', 'eds +a@1'],
    ],
  },
  {
    rule: 'endpoints do not overtake their changed cluster',
    talk: [
      ...settled,
      [publish({ ...whole('1'), cds: { a: '2' } }), 'cds +a@2', 'eds +a@1'],
      [ack('eds')],
      [publish({ ...whole('1'), cds: { a: '3' }, eds: { a: '3' } })],
      [ack('cds'), 'cds +a@3', 'eds +a@3'],
    ],
  },
  {
    rule: 'endpoints of a cluster that warms are sent even if the cluster is about to change again: its ACK hangs on them',
    talk: [
      ...settled,
      [holdWrites],
      [publish({ ...whole('1'), cds: { a: '2' } }), 'cds +a@2'],
      [publish(whole('1'))],
      [written, 'eds +a@1'],
      [ack('cds'), 'cds +a@1'],
      [ack('eds'), 'eds +a@1'],
    ],
  },
  {
    rule: 'endpoints of a cluster that warms are sent even if both have left the snapshot',
    talk: [
      [publish({ cds: { a: '1' }, eds: { a: '1' } })],
      [ask('cds'), 'cds +a@1'],
      [publish({ cds: {}, eds: {} })],
      [ask('eds', { sub: ['a'] }), 'eds +a@1'],
      [ack('eds')],
      [ack('cds'), 'cds -a'],
      [ack('cds'), 'eds -a'],
    ],
  },
  {
    rule: 'routes wait until the endpoints of a new cluster were asked for and taken',
    talk: [
      ...settled,
      [
        publish({
          cds: { a: '1', b: '1' },
          eds: { a: '1', b: '1' },
          sds: { s: '1' },
          lds: { l: '1' },
          rds: { r: '2' },
        }),
        'cds +b@1',
      ],
      [ack('cds')],
      [ask('eds', { sub: ['b'] }), 'eds +b@1'],
      [ack('eds'), 'rds +r@2'],
    ],
  },
  {
    rule: 'a client that never asks for the endpoints is waited for once',
    talk: [
      ...settled,
      [
        publish({
          cds: { a: '1', b: '1' },
          eds: { a: '1', b: '1' },
          sds: { s: '1' },
          lds: { l: '1' },
          rds: { r: '2' },
        }),
        'cds +b@1',
      ],
      [ack('cds')],
      [waited, 'rds +r@2'],
      [ack('rds')],
      [
        publish({
          cds: { a: '1', b: '1' },
          eds: { a: '1', b: '1' },
          sds: { s: '1' },
          lds: { l: '1' },
          rds: { r: '3' },
        }),
        'rds +r@3',
      ],
    ],
  },
  {
    rule: 'a client that never acknowledges gets its listeners and routes after the wait, and loses no cluster',
    talk: [
      ...settled,
      [publish({ cds: { b: '1' }, eds: {}, sds: { s: '1' }, lds: { l: '2' }, rds: { r: '2' } }), 'cds +b@1'],
      [waited, 'lds +l@2', 'rds +r@2'],
      [waited],
    ],
  },
  {
    rule: 'removed clusters and endpoints go last, after the listeners and routes that used them',
    talk: [
      ...settled,
      [publish({ cds: { b: '1' }, sds: { s: '1' }, lds: { l: '2' }, rds: { r: '2' } }), 'cds +b@1'],
      [ack('cds'), 'lds +l@2'],
      [ack('lds'), 'rds +r@2'],
      [ack('rds'), 'cds -a'],
      [ack('cds'), 'eds -a'],
    ],
  },
  {
    rule: 'a removed listener goes before the cluster and the secret that it used',
    talk: [
      ...settled,
      [publish({}), 'lds -l'],
      [ack('lds', {}), 'rds -r'],
      [ack('rds'), 'cds -a'],
      [ack('cds'), 'eds -a'],
      [ack('eds'), 'sds -s'],
    ],
  },
  {
    rule: 'where routes were refused the old ones still stand, so no cluster is taken away',
    talk: [
      ...settled,
      [publish({ ...whole('1'), cds: {}, eds: {}, rds: { r: '2' } }), 'rds +r@2'],
      [nack('rds')],
      [publish({ ...whole('1'), cds: {}, eds: {}, rds: { r: '3' } }), 'rds +r@3'],
      [ack('rds'), 'cds -a'],
    ],
  },
  {
    rule: 'what is asked for is answered at once, whatever is under way',
    talk: [
      [publish(whole('1'))],
      [ask('cds'), 'cds +a@1'],
      [ask('lds'), 'lds +l@1'],
      [ask('rds', { sub: ['r'] }), 'rds +r@1'],
    ],
  },
  {
    rule: 'a client without endpoints is not waited for',
    talk: [
      [publish(whole('1'))],
      [ask('cds'), 'cds +a@1'],
      [ask('lds'), 'lds +l@1'],
      [ack('cds')],
      [ack('lds')],
      [publish(whole('2')), 'cds +a@2'],
      [ack('cds'), 'lds +l@2'],
    ],
  },
];

describe('an xDS session', () => {
  describe('order between types', () => converse(order));
});

import assert from 'node:assert/strict';
import { namedIn } from '../../../src/xds/blame.ts';
import { cpuOf } from '../../support/cpu.ts';
import { ack, ask, converse, nack, newConversation, publish, type Row, say, settled, whole } from './conversation.ts';
import { nack as nackSotw, want } from './sotwConversation.ts';

const refused = (...names: readonly string[]): string =>
  `Error adding/updating cluster(s) ${names.map((name) => `${name}: no such thing`).join(', ')}`;

const three = { cds: { a: '1', b: '1', c: '1' } };

const delta: readonly Row[] = [
  {
    rule: 'what Envoy names is refused, and the rest of the response is sent once more without it',
    talk: [
      [publish(three)],
      [ask('cds'), 'cds +a@1 +b@1 +c@1'],
      [nack('cds', refused('b')), 'cds +a@1 +c@1'],
      [ack('cds')],
      [publish(three)],
      [publish({ cds: { a: '1', b: '2', c: '1' } }), 'cds +b@2'],
    ],
  },
  {
    rule: 'a client that names another each time is sent less each time',
    talk: [
      [publish(three)],
      [ask('cds'), 'cds +a@1 +b@1 +c@1'],
      [nack('cds', refused('b')), 'cds +a@1 +c@1'],
      [nack('cds', refused('a')), 'cds +c@1'],
      [nack('cds', refused('c'))],
      [publish(three)],
    ],
  },
  {
    rule: 'words that name nothing of the response refuse all of it, also when the rest was sent once more',
    talk: [
      [publish(three)],
      [ask('cds'), 'cds +a@1 +b@1 +c@1'],
      [nack('cds', refused('b')), 'cds +a@1 +c@1'],
      [nack('cds', refused('b'))],
      [publish(three)],
    ],
  },
  {
    rule: 'what was taken of a refused response is removed when it is gone',
    talk: [
      [publish(three)],
      [ask('cds'), 'cds +a@1 +b@1 +c@1'],
      [publish({ cds: {} })],
      [nack('cds', refused('b')), 'cds -a -c -b'],
    ],
  },
  {
    rule: 'listeners that are sent once more still wait for clusters that came meanwhile',
    talk: [
      ...settled,
      [publish({ ...whole('1'), lds: { l: '2', m: '1' } }), 'lds +l@2 +m@1'],
      [publish({ ...whole('2'), lds: { l: '2', m: '1' } }), 'cds +a@2', 'eds +a@2', 'sds +s@2'],
      [nack('lds', 'Error adding/updating listener(s) m: no')],
      [ack('cds')],
      [ack('eds')],
      [ack('sds'), 'lds +l@2'],
      [ack('lds'), 'rds +r@2'],
    ],
  },
];

const stateOfTheWorld: readonly Row[] = [
  {
    rule: 'what Envoy names goes back to its last good form, and its neighbours are said again',
    talk: [
      [publish(three)],
      [want('cds'), 'cds +a@1 +b@1 +c@1'],
      [want('cds')],
      [publish({ cds: { a: '2', b: '2', c: '1' } }), 'cds +a@2 +b@2 +c@1'],
      [nackSotw('cds', refused('b')), 'cds +a@2 +b@1 +c@1'],
      [want('cds')],
      [publish({ cds: { a: '2', b: '3', c: '1' } }), 'cds +a@2 +b@3 +c@1'],
    ],
  },
  {
    rule: 'what Envoy names and never took is left out until its content changes',
    talk: [
      [publish(three)],
      [want('cds'), 'cds +a@1 +b@1 +c@1'],
      [nackSotw('cds', refused('b')), 'cds +a@1 +c@1'],
      [want('cds')],
      [publish({ cds: { a: '2', b: '1', c: '1' } }), 'cds +a@2 +c@1'],
      [want('cds')],
      [publish({ cds: { a: '2', b: '2', c: '1' } }), 'cds +a@2 +c@1 +b@2'],
    ],
  },
  {
    rule: 'what was refused is not sent again because its older form was said again and taken',
    talk: [
      [publish({ cds: { a: '1' } })],
      [want('cds'), 'cds +a@1'],
      [nackSotw('cds')],
      [publish({ cds: { a: '2' } }), 'cds +a@2'],
      [nackSotw('cds')],
      [publish({ cds: { a: '2', b: '1' } }), 'cds +a@1 +b@1'],
      [want('cds')],
      [publish({ cds: { a: '2', b: '1' } })],
    ],
  },
  {
    rule: 'types that do not say everything each time say what was not named once more',
    talk: [
      [publish({ eds: { a: '1', b: '1' } })],
      [want('eds', ['a', 'b']), 'eds +a@1 +b@1'],
      [nackSotw('eds', 'malformed: a'), 'eds +b@1'],
      [want('eds', ['a', 'b'])],
    ],
  },
];

describe('a NACK that names', () => {
  describe('in delta', () => converse(delta));
  describe('in state of the world', () => converse(stateOfTheWorld, 'sotw'));

  it('is reported for those resources alone, and the client counts as having refused', () => {
    const c = newConversation();
    for (const step of [publish(three), ask('cds'), nack('cds', refused('b', 'c')), ack('cds')]) say(c, step);
    const nacked = c.notices.find((n) => n.kind === 'nacked');
    assert.ok(nacked?.kind === 'nacked');
    assert.deepEqual(
      nacked.resources.map(({ name }) => name),
      ['b', 'c'],
    );
    assert.equal(c.state.progress, 'refused');
  });

  it('blames whole names only', () => {
    const names = ['inbound/80', 'inbound/8080', 'prod/a/80', 'outbound', 'outbound/15001', 'x.y', 'r', ''];
    const blamed = (error: string): readonly string[] => [...namedIn(error, names)];
    const rows: readonly (readonly [string, ...string[]])[] = [
      ['Error adding/updating listener(s) inbound/8080: cannot bind', 'inbound/8080'],
      ["a 'inbound/80' has: duplicate address", 'inbound/80'],
      ['listener(s) inbound/80: bad\ninbound/8080: bad', 'inbound/80', 'inbound/8080'],
      ['cluster(s) prod/a/80, eu/prod/a/80/x and prod/a/8080', 'prod/a/80'],
      ['name: "outbound"\nvirtual_hosts {', 'outbound'],
      ['outbound/150010 x.yz x.y.', 'x.y'],
      ['missing ): (', ...[]],
      ['error for your router', ...[]],
    ];
    for (const [error, ...expected] of rows) assert.deepEqual(blamed(error), expected, error);
  });

  it('is read in a time that grows with its length alone', () => {
    const names = Array.from({ length: 50_000 }, (_, i) => `n${i}`);
    const cost = (times: number): number =>
      cpuOf(() => assert.equal(namedIn(`${'.'.repeat(4096)}x ${'x '.repeat(times)}`, names).size, 0));
    cost(10_000);
    // Ten times the length; what is quadratic would take a hundred times as long.
    assert.ok(cost(100_000) < 40 * Math.max(cost(10_000), 1));
  });
});

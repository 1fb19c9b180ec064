import assert from 'node:assert/strict';
import { complaints } from './load.ts';

const codes = (text: string | Uint8Array): readonly string[] =>
  complaints(text).map((line) => line.split(' ').slice(0, 2).join(' '));
const GOOD = 'mesh: { trustDomain: a }\n';

describe('a text that is no mesh.yaml', () => {
  const table: readonly (readonly [string, string | Uint8Array, readonly string[]])[] = [
    ['is empty', '', ['mesh.yaml:1:1 SIG0107']],
    ['holds comments alone', '# nothing\n', ['mesh.yaml:1:1 SIG0107']],
    ['is a list', '- a\n', ['mesh.yaml:1:1 SIG0107']],
    ['is a word', 'mesh\n', ['mesh.yaml:1:1 SIG0107']],
    ['is not UTF-8', new Uint8Array([0x61, 0xff, 0xfe]), ['mesh.yaml:1:1 SIG0101']],
    ['is UTF-16', new Uint8Array(Buffer.from(`\ufeff${GOOD}`, 'utf16le')), ['mesh.yaml:1:1 SIG0101']],
    ['has a byte order mark', Buffer.from(`\ufeff${GOOD}`), ['mesh.yaml:1:1 SIG0102']],
    ['is too large', `#${' '.repeat(4 * 1024 * 1024)}`, ['mesh.yaml:1:1 SIG0105']],
    ['is indented by a tab', 'mesh:\n\ttrustDomain: a\n', ['mesh.yaml:2:1 SIG0104']],
    ['has two documents', `${GOOD}---\n${GOOD}`, ['mesh.yaml:2:1 SIG0108']],
    ['has a directive', `%YAML 1.1\n---\n${GOOD}`, ['mesh.yaml:1:1 SIG0113']],
    ['has a key twice', 'mesh:\n  trustDomain: a\n  trustDomain: b\n', ['mesh.yaml:3:3 SIG0109']],
    ['has an anchor', 'mesh: &m { trustDomain: a }\n', ['mesh.yaml:1:10 SIG0110']],
    [
      'has an alias',
      `${GOOD}services: { web: {}, a: { ports: [80/http], allow: [{ from: web, to: *x }] } }\n`,
      ['mesh.yaml:2:70 SIG0111'],
    ],
    [
      'means * and writes an alias',
      `${GOOD}services: { a: { ports: [80/http], allow: [*] } }\n`,
      ['mesh.yaml:2:44 SIG0111'],
    ],
    ['has a merge key', 'mesh:\n  <<: { trustDomain: b }\n  trustDomain: a\n', ['mesh.yaml:2:3 SIG0112']],
    ['has a tag', 'mesh: { trustDomain: !!str a }\n', ['mesh.yaml:1:28 SIG0113']],
    ['has a tag of its own', 'mesh: { trustDomain: !x a }\n', ['mesh.yaml:1:25 SIG0113']],
    ['has a list for a key', 'mesh: { trustDomain: a }\n? [b]\n: {}\n', ['mesh.yaml:2:3 SIG0114']],
    ['names the prototype', `${GOOD}__proto__: {}\n`, ['mesh.yaml:2:1 SIG0201']],
    [
      'names the prototype below',
      `${GOOD}services: { __proto__: {}, web: { labels: { __proto__: x } } }\n`,
      ['mesh.yaml:2:13 SIG0201', 'mesh.yaml:2:45 SIG0201'],
    ],
    ['ends in the middle', 'mesh: { trustDomain: "a\n', ['mesh.yaml:2:1 SIG0103']],
    ['is deep', `mesh: ${'['.repeat(100_000)}`, ['mesh.yaml:1:71 SIG0106']],
    ['has no mesh', 'services: {}\n', ['mesh.yaml:1:1 SIG0203']],
  ];
  for (const [what, text, expected] of table)
    it(what, () => {
      const found = codes(text);
      if (what === 'is deep') assert.match(found.join(), /^mesh\.yaml:1:\d+ SIG0106$/);
      else assert.deepEqual(found, expected);
    });

  it('is forgiven windows line ends and comments', () => {
    assert.deepEqual(codes('mesh: # the mesh\r\n  trustDomain: a\r\nservices:\r\n  web: {}\r\n'), []);
  });
});

describe('a complaint that quotes a file', () => {
  it('moves no cursor of the terminal that shows it', () => {
    const [line = ''] = complaints(`${GOOD}services: { web: { "k\\e[2J\\n\\a": 1 } }\n`);
    assert.match(line, /unknown key k\\u\{1b\}\[2J \\u\{7\}/);
  });
});

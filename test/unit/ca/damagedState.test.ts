import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'mocha';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import type { Store } from '../../../src/lib/store.ts';
import { DAY, freshMesh, NOW, TD, WEB } from './support.ts';

const textOf = (store: Store, key: string): string => Buffer.from(store.get(key)?.value ?? []).toString();
const dump = (store: Store): readonly string[] => store.list('').map(({ key }) => `${key} ${textOf(store, key)}`);

type Pair = { certificate: string; key?: unknown };
type Document = { schema: number; root: Pair; intermediate: Pair; anchor: Pair };
type Damage = readonly [name: string, key: string, damage: (text: string) => string | undefined, complaint: RegExp];

const other = await freshMesh();
const edit =
  (change: (document: Document) => void) =>
  (text: string): string => {
    const document = JSON.parse(text) as Document;
    change(document);
    return JSON.stringify(document);
  };
const flip = (text: string): string => `${text.slice(0, 300)}${text[300] === 'A' ? 'B' : 'A'}${text.slice(301)}`;
const foreignRoot = (JSON.parse(textOf(other.store, 'ca/mesh')) as Document).root;
const swap = (d: Document): void => {
  [d.root, d.intermediate] = [d.intermediate, d.root];
};

const DAMAGES: readonly Damage[] = [
  ['missing mesh', 'ca/mesh', () => undefined, /\(ca\/mesh\).*missing/],
  ['missing channel', 'ca/channel', () => undefined, /\(ca\/channel\).*missing/],
  ['an empty document', 'ca/mesh', () => '', /not JSON/],
  ['a cut document', 'ca/mesh', (text) => text.slice(0, -200), /not JSON/],
  ['a document that begins with a key', 'ca/mesh', (text) => text.slice(text.indexOf('BEGIN PRIVATE')), /not JSON/],
  ['a JSON text of a key', 'ca/mesh', (text) => JSON.stringify(text), /no schema version/],
  ['a newer schema', 'ca/mesh', edit((d) => void Object.assign(d, { schema: 2 })), /schema 2 and this Signet reads 1/],
  ['no key', 'ca/mesh', edit((d) => void delete d.root.key), /missing or has the wrong type/],
  [
    'a key of the wrong type',
    'ca/channel',
    edit((d) => void Object.assign(d.anchor, { key: [d.anchor.key] })),
    /wrong type/,
  ],
  [
    'a changed certificate',
    'ca/mesh',
    edit((d) => void Object.assign(d.root, { certificate: flip(d.root.certificate) })),
    /root is broken/,
  ],
  [
    'a changed key',
    'ca/mesh',
    edit((d) => void Object.assign(d.intermediate, { key: String(d.intermediate.key).slice(0, 120) })),
    /intermediate is broken/,
  ],
  [
    'another key',
    'ca/mesh',
    edit((d) => void Object.assign(d.root, { key: d.intermediate.key })),
    /its key is not the one/,
  ],
  [
    'another root',
    'ca/mesh',
    edit((d) => void Object.assign(d, { root: foreignRoot })),
    /intermediate is broken \(its signature/,
  ],
  ['root and intermediate swapped', 'ca/mesh', edit(swap), /not the right kind/],
  [
    'a leaf as its anchor',
    'ca/channel',
    edit((d) => void Object.assign(d.anchor, { certificate: other.mesh.issue(WEB, DAY, NOW).chainPem })),
    /channel is broken/,
  ],
];

describe('the authority’s state, when it is damaged', () => {
  for (const [name, key, damage, complaint] of DAMAGES) {
    it(`(${name}) is refused by name, without a word of a key, and stays`, async () => {
      const { store } = await freshMesh();
      const value = damage(textOf(store, key));
      await store.commit([{ key, value: value === undefined ? undefined : Buffer.from(value) }]);
      const before = dump(store);
      await assert.rejects(openAuthority({ store, trustDomain: TD, now: NOW }), (thrown: Error & { code?: string }) => {
        assert.equal(thrown.code, 'ca_corrupt');
        assert.match(thrown.message, complaint);
        assert.match(thrown.message, /backup/);
        assert.doesNotMatch(inspect(thrown, { depth: 9 }), /PRIVATE|MIG|"key"/);
        return true;
      });
      assert.deepEqual(dump(store), before);
    });
  }
});

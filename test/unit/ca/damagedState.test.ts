import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'mocha';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import type { Store } from '../../../src/lib/store.ts';
import { DAY, freshMesh, NOW, TD, WEB } from './support.ts';

const textOf = (store: Store, key: string): string => Buffer.from(store.get(key)?.value ?? []).toString();
const dump = (store: Store): readonly string[] => store.list('').map(({ key }) => `${key} ${textOf(store, key)}`);

type Stored = { state: string; since: number; certificate: string; key?: unknown };
type Document = { schema: number; generation: number; roots: Stored[]; intermediates: Stored[]; anchors: Stored[] };
type Damage = readonly [name: string, key: string, damage: (text: string) => string | undefined, complaint: RegExp];

const other = await freshMesh();
const edit =
  (change: (document: Document) => void) =>
  (text: string): string => {
    const document = JSON.parse(text) as Document;
    change(document);
    return JSON.stringify(document);
  };
/** The first slot of each list. */
const first =
  (change: (slots: { root: Stored; intermediate: Stored; anchor: Stored }) => void) =>
  (text: string): string =>
    edit(({ roots, intermediates, anchors }) => {
      const at = (slots: Stored[] | undefined): Stored => slots?.[0] as Stored;
      change({ root: at(roots), intermediate: at(intermediates), anchor: at(anchors) });
    })(text);
const flip = (text: string): string => `${text.slice(0, 300)}${text[300] === 'A' ? 'B' : 'A'}${text.slice(301)}`;
const foreignRoot = (JSON.parse(textOf(other.store, 'ca/mesh')) as Document).roots;
const swap = (d: Document): void => {
  [d.roots, d.intermediates] = [d.intermediates, d.roots];
};

const DAMAGES: readonly Damage[] = [
  ['missing mesh', 'ca/mesh', () => undefined, /\(ca\/mesh\).*missing/],
  ['missing channel', 'ca/channel', () => undefined, /\(ca\/channel\).*missing/],
  ['an empty document', 'ca/mesh', () => '', /not JSON/],
  ['a cut document', 'ca/mesh', (text) => text.slice(0, -200), /not JSON/],
  ['a document that begins with a key', 'ca/mesh', (text) => text.slice(text.indexOf('BEGIN PRIVATE')), /not JSON/],
  ['a JSON text of a key', 'ca/mesh', (text) => JSON.stringify(text), /no schema version/],
  [
    'a newer schema',
    'ca/mesh',
    edit((d) => void Object.assign(d, { schema: 3 })),
    /schema 3 and this Signet reads 1 and 2/,
  ],
  ['no key', 'ca/mesh', first((d) => void delete d.root.key), /has no key/],
  [
    'a key of the wrong type',
    'ca/channel',
    first((d) => void Object.assign(d.anchor, { key: [d.anchor.key] })),
    /wrong type/,
  ],
  [
    'a changed certificate',
    'ca/mesh',
    first((d) => void Object.assign(d.root, { certificate: flip(d.root.certificate) })),
    /root is broken/,
  ],
  [
    'a changed key',
    'ca/mesh',
    first((d) => void Object.assign(d.intermediate, { key: String(d.intermediate.key).slice(0, 120) })),
    /intermediate is broken/,
  ],
  [
    'another key',
    'ca/mesh',
    first((d) => void Object.assign(d.root, { key: d.intermediate.key })),
    /its key is not the one/,
  ],
  [
    'another root',
    'ca/mesh',
    edit((d) => void Object.assign(d, { roots: foreignRoot })),
    /intermediate is broken \(its signature/,
  ],
  [
    'no active root',
    'ca/mesh',
    first((d) => void Object.assign(d.root, { state: 'old' })),
    /0 of its roots are active/,
  ],
  [
    'two active intermediates',
    'ca/mesh',
    edit((d) => void d.intermediates.push(...d.intermediates)),
    /2 of its intermediates are active/,
  ],
  ['no intermediate', 'ca/mesh', edit((d) => void Object.assign(d, { intermediates: [] })), /0 of its intermediates/],
  ['an unknown state', 'ca/mesh', first((d) => void Object.assign(d.root, { state: 'new' })), /wrong type/],
  [
    'a revoked anchor with a key',
    'ca/channel',
    first((d) => void Object.assign(d.anchor, { state: 'revoked' })),
    /active/,
  ],
  [
    'another generation than its journal',
    'ca/mesh',
    edit((d) => void Object.assign(d, { generation: 2 })),
    /journal ends at 1/,
  ],
  ['root and intermediate swapped', 'ca/mesh', edit(swap), /not the right kind/],
  [
    'a leaf as its anchor',
    'ca/channel',
    first((d) => void Object.assign(d.anchor, { certificate: other.mesh.issue(WEB, DAY, NOW).chainPem })),
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

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { CATALOGUE } from '../../../src/config/catalogue.ts';
import { KEYS } from '../../../src/config/explainIssue.ts';
import { NOT_BUILT_KEYS, scopeOf } from '../../../src/config/notBuilt.ts';
import { fileSpec } from '../../../src/config/schema.ts';
import { meshOf } from './load.ts';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

describe('the catalogue of diagnostics', () => {
  it('is what docs/diagnostics.md explains, code by code', () => {
    const rows = [...read('docs/diagnostics.md').matchAll(/^\| (SIG0\d{3}) \| ([^|]+?) \|/gm)].map(
      ([, code, about]) => [code, about],
    );
    assert.deepEqual(Object.fromEntries(rows), CATALOGUE);
    assert.equal(rows.length, Object.keys(CATALOGUE).length, 'a code stands twice');
  });
});

describe('keys that are offered as suggestions', () => {
  it('are those of the schema', () => {
    const found = new Map<string, Set<string>>();
    type Node = {
      readonly properties?: Record<string, Node>;
      readonly additionalProperties?: Node | boolean;
      readonly items?: Node;
      readonly anyOf?: readonly Node[];
    };
    const visit = (node: Node, path: readonly (string | number)[]): void => {
      for (const choice of node.anyOf ?? []) visit(choice, path);
      if (node.items !== undefined) visit(node.items, [...path, 0]);
      if (typeof node.additionalProperties === 'object') visit(node.additionalProperties, [...path, 'x']);
      if (node.properties === undefined) return;
      const scope = scopeOf(path);
      const keys = found.get(scope) ?? new Set();
      found.set(scope, keys);
      for (const [key, inner] of Object.entries(node.properties)) {
        keys.add(key);
        visit(inner, [...path, key]);
      }
    };
    visit(z.toJSONSchema(fileSpec, { io: 'input' }) as Node, []);
    const sorted = (keys: Iterable<string>): readonly string[] => [...keys].sort();
    for (const [scope, keys] of Object.entries(KEYS))
      assert.deepEqual(sorted(found.get(scope) ?? []), sorted(keys), scope);
    for (const [scope, keys] of Object.entries(NOT_BUILT_KEYS))
      for (const key of keys) assert.ok(!found.get(scope)?.has(key), `${key} is built`);
  });
});

describe('docs/mesh-yaml.md', () => {
  it('begins with a mesh that loads', () => {
    const [, example = ''] = /```yaml\n(mesh:[\s\S]*?)```/.exec(read('docs/mesh-yaml.md')) ?? [];
    assert.deepEqual([...meshOf(example).services.keys()], ['default/orders', 'default/web']);
  });

  it('lists every key that is not built yet', () => {
    const text = read('docs/mesh-yaml.md').split('## Not built yet')[1] ?? '';
    for (const key of new Set(Object.values(NOT_BUILT_KEYS).flat())) assert.ok(text.includes(`\`${key}`), key);
  });
});

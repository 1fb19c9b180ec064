import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { complaints } from './load.ts';

// What a user sees of each file, line by line. UPDATE_GOLDEN=1 writes it anew.
const root = fileURLToPath(new URL('../../golden/diagnostics/', import.meta.url));
const options = {
  now: Date.parse('2027-01-01T00:00:00Z'),
  env: { NAME: 'x', PORT: '8080', ZONE: '7', DOMAIN: 'shop.example', YES: 'true' },
};

const besideOf = (path: string): Uint8Array | string => (existsSync(path) ? readFileSync(path) : 'does not exist');

describe('diagnostics', () => {
  for (const name of readdirSync(root).sort())
    it(name, () => {
      const found = `${complaints(readFileSync(`${root}${name}/mesh.yaml`), {
        ...options,
        beside: (path) => besideOf(`${root}${name}/${path}`),
      }).join('\n')}\n`;
      const file = `${root}${name}/expected.txt`;
      if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, found);
      assert.ok(existsSync(file), 'no expectation: run with UPDATE_GOLDEN=1');
      assert.equal(found, readFileSync(file, 'utf8'));
    });
});

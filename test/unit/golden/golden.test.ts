import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cases, meshOf, root, shownOf } from '../../support/goldens.ts';

// UPDATE_GOLDEN=1 writes the expectations anew and drops those of services that are gone. That a real Envoy loads each of them is in
// test/e2e/golden.test.ts.
const update = process.env.UPDATE_GOLDEN === '1';

describe('golden', () => {
  it('has cases', () => assert.ok(cases.length > 10));

  for (const folder of cases) {
    it(`${folder}: what each sidecar is sent`, () => {
      const mesh = meshOf(folder);
      const written = new Map<string, string>();
      for (const service of mesh.services.values()) {
        written.set(
          `${service.namespace}.${service.name}.json`,
          `${JSON.stringify(shownOf(folder, mesh, service), null, 2)}\n`,
        );
      }
      const stored = readdirSync(join(root, folder)).filter((file) => file.endsWith('.json'));
      if (update) {
        for (const file of stored) rmSync(join(root, folder, file));
        for (const [file, text] of written) writeFileSync(join(root, folder, file), text);
        return;
      }
      assert.deepEqual(stored.sort(), [...written.keys()].sort());
      for (const [file, text] of written) {
        assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(join(root, folder, file), 'utf8')), file);
      }
    });
  }
});

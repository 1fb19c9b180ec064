// `npm run check`: every gate, all of them even when one fails.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/lib/errors.ts';
import { floorTrouble } from './floors.ts';
import { lockTrouble } from './lockfile.ts';
import { generate, isFresh } from './protos.ts';
import { root, runTool } from './tools.ts';

const generated = (): void => {
  // Made here on a fresh clone; from then on an edit by hand or a changed pin is a finding.
  if (!existsSync(join(root, 'src/gen'))) generate();
  if (!isFresh()) throw new Error('src/gen/ is not what proto/ and buf.gen.yaml give: run npm run generate');
};

const refuseAll = (trouble: readonly string[]): void => {
  if (trouble.length > 0) throw new Error(trouble.join('\n'));
};

const gates: readonly (readonly [string, () => void])[] = [
  ['generated code is fresh', generated],
  ['the lock file is complete', () => refuseAll(lockTrouble())],
  ['types', () => runTool('tsc', ['-p', 'tsconfig.json'])],
  [
    'lint and format',
    () => runTool('biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '--max-diagnostics=none']),
  ],
  ['import floors', () => refuseAll(floorTrouble())],
  ['unused code', () => runTool('knip', [])],
];

for (const [name, gate] of gates) {
  try {
    gate();
    console.log(`ok      ${name}`);
  } catch (thrown) {
    console.log(`FAILED  ${name}: ${messageOf(thrown)}`);
    process.exitCode = 1;
  }
}

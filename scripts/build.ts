// `npm run build`: the protos, then src/ compiled into dist/. Quick when fresh; a failed build leaves dist/ as it was.
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../src/lib/errors.ts';
import { generate } from './protos.ts';
import { root, runTool } from './tools.ts';

const dist = join(root, 'dist');
// Folders of this process alone: two builds at once must not write into each other's.
const work = join(root, `.cache/dist-${process.pid}`);
const old = join(root, `.cache/dist-${process.pid}-old`);

const files = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

const recipeHash = (): string => {
  const hash = createHash('sha256');
  const others = ['tsconfig.json', 'tsconfig.build.json', 'scripts/build.ts', 'node_modules/typescript/package.json'];
  for (const file of [...files('src'), ...others.map((name) => join(root, name))]) {
    hash.update(`${file.slice(root.length)}\0`).update(readFileSync(file));
  }
  return hash.digest('hex');
};

const build = (): void => {
  generate();
  const recipe = recipeHash();
  const stamp = join(dist, '.stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === recipe) return;
  console.error('Building dist/');
  runTool('tsc', ['-p', 'tsconfig.build.json', '--outDir', work, '--noEmitOnError']);
  // What is no TypeScript goes along, such as the descriptor image.
  cpSync(join(root, 'src'), work, { recursive: true, filter: (file) => !file.endsWith('.ts') });
  writeFileSync(join(work, '.stamp'), recipe);
  // Whole folders change places: what runs from dist/ sees the old one or the new one, never half of one.
  if (existsSync(dist)) renameSync(dist, old);
  renameSync(work, dist);
};

try {
  build();
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
} finally {
  for (const folder of [work, old]) rmSync(folder, { recursive: true, force: true });
}

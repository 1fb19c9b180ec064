import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

const bin = join(root, 'node_modules/.bin');

type Outcome = { readonly status: number; readonly stdout: string };

/** Runs a tool of node_modules, its errors shown; stdout is shown too unless `capture`. */
export const tryTool = (name: string, args: readonly string[], capture = false): Outcome => {
  // buf looks its plugins up on PATH, and keeps a cache that HOME may have no place for.
  const env = {
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH}`,
    BUF_CACHE_DIR: join(root, '.cache/buf'),
  };
  const done = spawnSync(join(bin, name), args, {
    cwd: root,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
  });
  if (done.error !== undefined) throw new Error(`${name} could not be run: ${done.error.message}`);
  return { status: done.status ?? 1, stdout: done.stdout ?? '' };
};

/** Runs a tool that must succeed. */
export const runTool = (name: string, args: readonly string[]): void => {
  const { status } = tryTool(name, args);
  if (status !== 0) throw new Error(`${name} failed (exit ${status})`);
};

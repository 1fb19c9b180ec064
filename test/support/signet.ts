import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Done, type Running, run, type StartOptions, start } from './processes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const built = fileURLToPath(new URL('../../bin/signet', import.meta.url));

/** The command as users have it: `./bin/signet` of a checkout that was built. */
const command = (): string => {
  if (!existsSync(built)) throw new Error(`${built} is missing: npm run build`);
  return built;
};

export const runSignet = (
  args: readonly string[],
  options: StartOptions & { readonly timeout?: number } = {},
): Promise<Done> => run(command(), args, options);

export const startSignet = (name: string, args: readonly string[], options: StartOptions = {}): Running =>
  start(name, command(), args, options);

export const projectRoot = root;

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** A mark in the environment that every process inherits from the one that was started with it. */
export type Mark = {
  readonly env: Readonly<Record<string, string>>;
  /** Processes that carry it now, with their command lines. */
  readonly processes: () => readonly { readonly pid: number; readonly command: string }[];
};

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // it ended meanwhile, or is not ours
  }
};

export const newMark = (): Mark => {
  const value = randomUUID();
  return {
    env: { SIGNET_TEST_MARK: value },
    processes: () =>
      readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name) && read(`/proc/${name}/environ`).includes(`SIGNET_TEST_MARK=${value}`))
        .map((name) => ({ pid: Number(name), command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ') })),
  };
};

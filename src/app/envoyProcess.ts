import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Duration } from '../lib/time.ts';

export type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly error?: Error };

export type Child = {
  readonly process: ChildProcess;
  /** Resolves when it is over, or could not be started. */
  readonly ended: Promise<Ended>;
  readonly running: () => boolean;
};

/** `setpriv` of util-linux, which has the kernel end a child together with its parent, even by `kill -9`. */
const setpriv = (): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'setpriv'))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return path.startsWith('/');
      } catch {
        return false;
      }
    });

/** Starts a program that shall not outlive this one. */
export const startChild = (
  program: string,
  args: readonly string[],
  options: { readonly stdio: StdioOptions; readonly env?: NodeJS.ProcessEnv; readonly detached?: boolean },
): Child => {
  const wrapper = process.platform === 'linux' ? setpriv() : undefined;
  const line = wrapper === undefined ? [program, ...args] : [wrapper, '--pdeathsig', 'TERM', '--', program, ...args];
  const child = spawn(line[0] ?? program, line.slice(1), options);
  let over = false;
  const ended = new Promise<Ended>((resolve) => {
    child.once('error', (error) => resolve({ code: 127, signal: null, error }));
    child.once('close', (code, signal) => resolve({ code, signal }));
  }).finally(() => {
    over = true;
  });
  return { process: child, ended, running: () => !over };
};

/** Asks it to end, and makes it end after `patience`. */
export const stopChild = async (child: Child | undefined, patience: Duration): Promise<void> => {
  if (child === undefined || !child.running()) return;
  child.process.kill('SIGTERM');
  const timer = setTimeout(() => child.process.kill('SIGKILL'), patience);
  await child.ended;
  clearTimeout(timer);
};

/** As a shell tells it: the code, or 128 and the signal's number. */
export const exitCodeOf = ({ code, signal }: Ended): number =>
  code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]);

import { type ChildProcess, spawn } from 'node:child_process';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** A process of ours: known by its pid, ended by its pid, everything it said kept. */
export type Running = {
  readonly name: string;
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly exited: Promise<Exit>;
  readonly alive: () => boolean;
  /** Sends the signal and waits for the end; after 10 s SIGKILL. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<Exit>;
};

export type StartOptions = { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv };

const live = new Set<ChildProcess>();

// The last resort, for a run that ends without its `after` hooks.
process.on('exit', () => {
  for (const child of live) child.kill('SIGKILL');
});

export const start = (
  name: string,
  command: string,
  args: readonly string[],
  { cwd, env }: StartOptions = {},
): Running => {
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  live.add(child);
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  }
  const exited = new Promise<Exit>((resolve) => {
    child.on('error', (error) => {
      said.stderr += `${error.message}\n`;
      live.delete(child);
      resolve({ code: null, signal: null });
    });
    child.on('close', (code, signal) => {
      live.delete(child);
      resolve({ code, signal });
    });
  });
  const alive = (): boolean => live.has(child);
  return {
    name,
    pid: child.pid ?? -1,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    exited,
    alive,
    stop: async (signal = 'SIGTERM') => {
      if (alive()) child.kill(signal);
      const hard = setTimeout(() => alive() && child.kill('SIGKILL'), 10_000);
      const exit = await exited;
      clearTimeout(hard);
      return exit;
    },
  };
};

export type Done = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a command to its end; kills it after `timeout` ms. */
export const run = async (
  command: string,
  args: readonly string[],
  options: StartOptions & { readonly timeout?: number } = {},
): Promise<Done> => {
  const running = start([command, ...args].join(' '), command, args, options);
  const timer = setTimeout(() => void running.stop('SIGKILL'), options.timeout ?? 60_000);
  const { code } = await running.exited;
  clearTimeout(timer);
  return { code, stdout: running.stdout(), stderr: running.stderr() };
};

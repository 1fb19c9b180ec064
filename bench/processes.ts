import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Order, Report } from './messages.ts';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU seconds of a process so far, user and system. */
export const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
};

/** Resident memory of a process, MiB. */
export const rssMiB = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

export type Child = { readonly pid: number; readonly stop: () => Promise<void> };

const own = (child: ChildProcess, name: string): Child => {
  const { pid } = child;
  if (pid === undefined) throw new Error(`${name} could not be started`);
  const exit = once(child, 'exit');
  const dieWithMe = (): void => void child.kill('SIGKILL');
  process.once('exit', dieWithMe);
  return {
    pid,
    stop: async () => {
      const timer = setTimeout(dieWithMe, 10_000);
      child.kill('SIGTERM');
      await exit;
      clearTimeout(timer);
      process.off('exit', dieWithMe);
    },
  };
};

/** `signet serve` as users run it: `./bin/signet` after `npm run build`, its output in `log`. */
export const startServer = (args: readonly string[], log: string): Child => {
  const command = fileURLToPath(new URL('../bin/signet', import.meta.url));
  const output = openSync(log, 'w');
  const child = spawn(command, ['serve', ...args], { stdio: ['ignore', output, output] });
  closeSync(output);
  return own(child, 'signet serve');
};

export type FleetProcess = Child & {
  readonly send: (order: Order) => void;
  /** The next report; none is lost between two calls. */
  readonly report: () => Promise<Report>;
};

/** The process with the simulated sidecars, `fleet.ts`. */
export const startFleet = (): FleetProcess => {
  const script = fileURLToPath(new URL('fleet.ts', import.meta.url));
  const child = fork(script, { execArgv: ['--import', 'tsx', '--max-old-space-size=4096'] });
  const came: Report[] = [];
  let take: (report: Report) => void = (report) => void came.push(report);
  const put = (report: Report): void => take(report);
  child.on('message', put);
  child.on('exit', () => put({ kind: 'failed', message: 'the process of the simulated sidecars ended' }));
  const report = async (): Promise<Report> => {
    const next =
      came.shift() ??
      (await new Promise<Report>((resolve) => {
        take = resolve;
      }));
    take = (later) => void came.push(later);
    if (next.kind === 'failed') throw new Error(next.message);
    return next;
  };
  return { ...own(child, 'the simulated sidecars'), send: (order) => void child.send(order), report };
};

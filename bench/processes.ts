import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** CPU seconds of a process so far, user and system. */
export const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
};

const memory = (pid: number, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Resident memory of a process, MiB. */
export const rssMiB = (pid: number): number => memory(pid, 'VmRSS');

/** The most resident memory that a process had since `forgetPeak`, MiB. */
export const peakMiB = (pid: number): number => memory(pid, 'VmHWM');

/** https://www.kernel.org/doc/html/latest/filesystems/proc.html, `clear_refs` */
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

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

/** Where `--cpu-prof` writes the profiles of the servers, if it was asked for. */
const profiling: readonly string[] = process.argv.includes('--cpu-prof')
  ? ['--cpu-prof', '--cpu-prof-dir=.cache/bench/profiles']
  : [];

/** `signet serve` as users run it: `./bin/signet` after `npm run build`, its output in `log`. */
export const startServer = (args: readonly string[], log: string): Child => {
  const command = fileURLToPath(new URL('../bin/signet', import.meta.url));
  const output = openSync(log, 'w');
  const child = spawn(process.execPath, [...profiling, command, 'serve', ...args], {
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  return own(child, 'signet serve');
};

/** A process that answers each order with one report. */
export type Peer<Order, Report> = Child & { readonly ask: (order: Order) => Promise<Report> };

/** Starts a script of the benchmark; orders and reports are structured clones. */
export const startPeer = <Order extends object, Report extends object>(
  script: URL,
  execArgv: readonly string[],
): Peer<Order, Report> => {
  const child = fork(fileURLToPath(script), { execArgv: [...execArgv], serialization: 'advanced' });
  const ask = (order: Order): Promise<Report> =>
    new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`${script.pathname} ended`));
      child.once('exit', gone);
      child.once('message', (report) => {
        child.off('exit', gone);
        resolve(report as Report);
      });
      child.send(order);
    });
  return { ...own(child, script.pathname), ask };
};

/** The measured servers run compiled, without the loader of this process, as `signet serve` does. */
export const startCompiled = <Order extends object, Report extends object>(name: string): Peer<Order, Report> =>
  startPeer(new URL(`../.cache/bench/bench/${name}.js`, import.meta.url), [...profiling]);

/** Compiles them into `.cache/bench`. */
export const compileServers = (): void => {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  execFileSync('node_modules/.bin/tsc', ['-p', 'bench/tsconfig.json'], { cwd: folder, stdio: 'inherit' });
};

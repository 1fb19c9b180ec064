import { existsSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { runCommandLine } from '../../src/cli/program.ts';
import { type Done, type Running, run, type StartOptions, start } from './processes.ts';

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

/** The same command line without a process of its own: for hundreds of questions. */
export const runSignetHere = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Done> => {
  const [stdout, stderr] = [new Said(), new Said()];
  const code = await runCommandLine(args, { stdin: Readable.from([]), stdout, stderr, env });
  return { code, stdout: stdout.text, stderr: stderr.text };
};

class Said extends Writable {
  text = '';

  override _write(chunk: unknown, _encoding: BufferEncoding, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

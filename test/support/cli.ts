import { PassThrough } from 'node:stream';
import { runCommandLine } from '../../src/cli/program.ts';

export type CliResult = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a command line in this process, as a shell would see it. */
export const runCli = async (argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> => {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end();
  const texts = [stdout, stderr].map(async (stream) => {
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    return Buffer.concat(parts).toString();
  });
  const code = await runCommandLine(argv, { stdin, stdout, stderr, env });
  stdout.end();
  stderr.end();
  const [out = '', err = ''] = await Promise.all(texts);
  return { code, stdout: out, stderr: err };
};

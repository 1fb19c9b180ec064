import { runCommandLine } from './program.ts';

const { stdin, stdout, stderr, env } = process;
// A reader that closed early (`signet status | head -1`) is no error.
stdout.on('error', () => process.exit(0));
process.exitCode = await runCommandLine(process.argv.slice(2), { stdin, stdout, stderr, env });

import { Command, CommanderError, Option } from 'commander';
import { version } from '../admin/version.ts';
import { type Diagnostic, showDiagnostic } from '../lib/diagnostic.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { CommandSpec, ExitCode, Input, Io, OptionSpec } from './command.ts';
import { COMMANDS, GROUPS, NOT_BUILT } from './commands.ts';

/** Runs one command line (without `node` and the script) and tells its exit code. Never throws. */
export const runCommandLine = async (argv: readonly string[], io: Io): Promise<ExitCode> => {
  const planned = notBuilt(argv);
  if (planned !== undefined) {
    io.stderr.write(`signet: ${planned} is not built yet\n`);
    return 2;
  }
  const { own, rest } = split(argv);
  let exit: ExitCode = 0;
  const program = build(io, async (spec, input) => {
    exit = await spec.run({ ...input, rest }, io);
  });
  try {
    await program.parseAsync([...own], { from: 'user' });
    return exit;
  } catch (error) {
    return failed(error, io);
  }
};

/** What stands after `--` belongs to the COMMAND of those that take one, flags and all. */
const split = (argv: readonly string[]): { readonly own: readonly string[]; readonly rest: readonly string[] } => {
  const at = argv.indexOf('--');
  const takesRest = COMMANDS.some((spec) => spec.takesRest === true && spec.name === argv[0]);
  return at < 0 || !takesRest ? { own: argv, rest: [] } : { own: argv.slice(0, at), rest: argv.slice(at + 1) };
};

/** A command of the contract that has its issue and not yet its code. */
const notBuilt = (argv: readonly string[]): string | undefined => {
  const words = argv.filter((word) => !word.startsWith('-'));
  return NOT_BUILT.find((name) => name.split(' ').every((word, index) => words[index] === word));
};

const failed = (error: unknown, io: Io): ExitCode => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof AppError) {
    io.stderr.write(`signet: ${error.message}\n`);
    for (const diagnostic of diagnosticsOf(error)) io.stderr.write(`${showDiagnostic(diagnostic)}\n`);
    return error.code === 'usage' ? 2 : 1;
  }
  io.stderr.write(`signet: something went wrong inside Signet: ${messageOf(error)}\n`);
  if (io.env.SIGNET_DEBUG !== undefined && error instanceof Error) io.stderr.write(`${error.stack ?? ''}\n`);
  return 1;
};

const diagnosticsOf = (error: AppError): readonly Diagnostic[] =>
  error.code === 'mesh_invalid' && Array.isArray(error.cause) ? (error.cause as readonly Diagnostic[]) : [];

type Action = (spec: CommandSpec, input: Input) => Promise<void>;

const build = (io: Io, action: Action): Command => {
  const program = new Command('signet')
    .description('An Envoy xDS control plane with a certificate authority inside, driven by one mesh.yaml')
    .version(version(), '--version', 'print the version of Signet')
    .addHelpText('after', '\nExample:\n  signet serve --config mesh.yaml\n');
  quiet(program, io);
  const groups = new Map<string, Command>();
  for (const spec of COMMANDS) {
    const [first = '', second] = spec.name.split(' ');
    if (second === undefined) {
      add(program, first, spec, io, action);
      continue;
    }
    const group = groups.get(first) ?? program.command(first).description(GROUPS[first] ?? '');
    if (!groups.has(first)) {
      quiet(group, io);
      group.addHelpText('after', exampleText(spec));
    }
    groups.set(first, group);
    add(group, second, spec, io, action);
  }
  return program;
};

/** Throws instead of exiting, and says what is wrong in one line. */
const quiet = (command: Command, io: Io): void => {
  command
    .exitOverride()
    .helpCommand(false)
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: (text, write) =>
        write(
          `signet: ${text
            .replace(/^error: /, '')
            .trim()
            .replaceAll('\n', ' ')
            .replace(/\.$/, '')}: see \`${nameOf(command)} --help\`\n`,
        ),
    });
};

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;

const exampleText = ({ example }: CommandSpec): string => `\nExample:\n${example.replace(/^/gm, '  ')}\n`;

const add = (parent: Command, name: string, spec: CommandSpec, io: Io, action: Action): void => {
  const command = parent.command(name).description(spec.summary);
  quiet(command, io);
  for (const { form, description } of spec.args) command.argument(form, description);
  if (spec.takesRest === true)
    command.usage(`${spec.args.map(({ form }) => form).join(' ')} [options] [-- COMMAND...]`);
  for (const option of spec.options) command.addOption(toOption(option));
  command.allowExcessArguments(false);
  command.addHelpText('after', exampleText(spec));
  command.action(async () => action(spec, inputOf(command)));
};

const toOption = ({ flags, description, default: value, many, choices }: OptionSpec): Option => {
  const option = new Option(flags, description);
  if (choices !== undefined) option.choices(choices);
  if (value !== undefined) option.default(value);
  if (many === true)
    option.argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);
  return option;
};

const inputOf = (command: Command): Input => {
  const values: Readonly<Record<string, unknown>> = command.opts();
  const camel = (name: string): string => name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return {
    args: [...command.args],
    rest: [],
    text: (name) => (typeof values[camel(name)] === 'string' ? String(values[camel(name)]) : undefined),
    texts: (name) => (Array.isArray(values[camel(name)]) ? (values[camel(name)] as readonly string[]) : []),
    flag: (name) => values[camel(name)] === true,
  };
};

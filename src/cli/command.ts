import type { Readable, Writable } from 'node:stream';
import { AppError } from '../lib/errors.ts';
import { type Duration, parseDuration } from '../lib/time.ts';

/** Where a command reads and writes. */
export type Io = {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: NodeJS.ProcessEnv;
};

/** 0 yes/ok, 1 no/invalid/unhealthy, 2 wrong usage; `sidecar` passes on the code of its COMMAND. */
export type ExitCode = number;

export type OptionSpec = {
  /** As commander writes them: `--ttl <duration>`. */
  readonly flags: string;
  readonly description: string;
  readonly default?: string;
  /** Nothing else may be said. */
  readonly choices?: readonly string[];
  /** Values of several such flags are collected. */
  readonly many?: true;
};

/** What was typed, already split. Only declared options are in it. */
export type Input = {
  readonly args: readonly string[];
  /** After `--`. */
  readonly rest: readonly string[];
  readonly text: (option: string) => string | undefined;
  readonly texts: (option: string) => readonly string[];
  readonly flag: (option: string) => boolean;
};

/** One line of the table of commands. */
export type CommandSpec = {
  /** `validate`, or `token create`. */
  readonly name: string;
  /** As commander writes them: `<service>`, `[file...]`. */
  readonly args: readonly { readonly form: string; readonly description: string }[];
  readonly summary: string;
  readonly example: string;
  readonly options: readonly OptionSpec[];
  /** Takes `-- COMMAND…`. */
  readonly takesRest?: true;
  readonly run: (input: Input, io: Io) => Promise<ExitCode>;
};

/** Something typed that cannot be meant: exit 2. */
export const usage = (sentence: string): AppError<'usage'> => new AppError('usage', sentence);

// Options that several commands share, so that they read alike everywhere.
export const CONFIG: OptionSpec = { flags: '--config <file>', description: 'the mesh', default: './mesh.yaml' };
export const OUTPUT: OptionSpec = {
  flags: '-o, --output <form>',
  description: 'json, or text for people',
  default: 'text',
};
/** Of commands whose data is JSON anyway: `-o json` holds everywhere. */
export const JSON_ONLY: OptionSpec = {
  flags: '-o, --output <form>',
  description: 'json, as it is anyway',
  default: 'json',
  choices: ['json'],
};
export const SERVER: readonly OptionSpec[] = [
  { flags: '--server <url>', description: 'the control plane (default: $SIGNET_SERVER, else http://127.0.0.1:18001)' },
  {
    flags: '--admin-token-file <file>',
    description: 'its admin token (default: $SIGNET_ADMIN_TOKEN_FILE, else ./.signet/admin.token)',
  },
];
export const PLACE: readonly OptionSpec[] = [
  { flags: '--xds <host:port>', description: 'where the sidecar finds Signet (default: where Signet listens)' },
  {
    flags: '--address <ip>',
    description: 'where this instance listens and what callers are told (default: all, and the address it comes from)',
  },
  { flags: '--outbound <host:port>', description: 'its shared outbound port (default: 127.0.0.1:15001)' },
  { flags: '--envoy-admin <port>', description: "Envoy's admin port on loopback (default: none)" },
];

/** How long a command that waits may take. */
export const TIMEOUT: OptionSpec = {
  flags: '--timeout <duration>',
  description: 'how long --wait may take (default: 60s)',
};
export const DEFAULT_TIMEOUT: Duration = 60_000;

/** `-o json`? */
export const wantsJson = (input: Input): boolean => {
  const form = input.text('output') ?? 'text';
  if (form !== 'json' && form !== 'text') throw usage(`-o ${form} is neither json nor text`);
  return form === 'json';
};

export const print = (io: Io, text: string): void => {
  io.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
};

export const printJson = (io: Io, value: unknown): void => print(io, JSON.stringify(value, null, 2));

/** What was typed for an option that takes a duration, if anything was. @throws AppError `usage` if it is none, or 0 */
export const durationOf = (input: Input, option: string): Duration | undefined => {
  const text = input.text(option);
  if (text === undefined) return undefined;
  const span = parseDuration(text);
  if (span === undefined || span <= 0) throw usage(`--${option} ${text} is no duration like 30s, 15m, 1h or 7d`);
  return span;
};

/** NS/NAME as typed. */
export const serviceArgument = (text: string | undefined): `${string}/${string}` => {
  const [, namespace, name] = /^([^/\s]+)\/([^/\s]+)$/.exec(text ?? '') ?? [];
  if (namespace === undefined || name === undefined) {
    throw usage(`${JSON.stringify(text ?? '')} is no service: write NAMESPACE/NAME, for example prod/web`);
  }
  return `${namespace}/${name}`;
};

import type { CommandSpec } from './command.ts';
import { bootstrapCommand } from './commands/bootstrap.ts';
import { caRevokeCommand } from './commands/ca/revoke.ts';
import { caBundleCommand, caRenewCommand, caStatusCommand } from './commands/ca.ts';
import { canCommand } from './commands/can.ts';
import { checkCommand } from './commands/check.ts';
import { csdsCommand } from './commands/csds.ts';
import { serveCommand } from './commands/serve.ts';
import { sidecarCommand } from './commands/sidecar.ts';
import { statusCommand } from './commands/status.ts';
import { tokenCreateCommand, tokenListCommand, tokenRevokeCommand } from './commands/token.ts';
import { translateCommand } from './commands/translate.ts';
import { validateCommand } from './commands/validate.ts';

/** Every command, in the order of `signet --help`. */
export const COMMANDS: readonly CommandSpec[] = [
  serveCommand,
  validateCommand,
  translateCommand,
  bootstrapCommand,
  sidecarCommand,
  tokenCreateCommand,
  tokenListCommand,
  tokenRevokeCommand,
  statusCommand,
  checkCommand,
  csdsCommand,
  canCommand,
  caStatusCommand,
  caBundleCommand,
  caRenewCommand,
  caRevokeCommand,
];

/** First words that hold several commands. */
export const GROUPS: Readonly<Record<string, string>> = {
  token: 'join tokens: create, list, revoke',
  ca: 'the certificate authority: status, bundle, renew, revoke',
};

/** Commands of the contract that have no code yet. Delete a line when it has. */
export const NOT_BUILT: readonly string[] = [
  'plan',
  'tls-check',
  'callers',
  'init',
  'explain',
  'test',
  'history',
  'rollback',
  'logs',
  'top',
  'dashboard',
  'schema',
  'fmt',
  'audit',
  'report',
  'completion',
  'ca list',
  'ca rotate',
  'ca csr',
  'ca import',
  'ca restore',
];

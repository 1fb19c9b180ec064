import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError, messageOf } from '../lib/errors.ts';
import { printable } from '../lib/printable.ts';
import { type Secret, secret } from '../lib/secret.ts';

/** Where the passphrase of the keys in the data directory comes from; never from argv or the environment. */
export type PassphraseSource = { readonly file?: string | undefined; readonly command?: string | undefined };

const LEAST = 12;
const MOST = 1024;
const PATIENCE = 30_000;

const refuse = (sentence: string): AppError<'ca_passphrase'> => new AppError('ca_passphrase', sentence);

const fromFile = async (file: string): Promise<string> => {
  try {
    const { mode, size } = await stat(file);
    if ((mode & 0o077) !== 0) throw new Error(`others may read it: chmod 600 ${file}`);
    if (size > MOST) throw new Error('it is too large for one');
    return await readFile(file, 'utf8');
  } catch (thrown) {
    throw refuse(`the passphrase cannot be read from ${printable(file)}: ${messageOf(thrown)}`);
  }
};

/** The program itself, without arguments and without a shell. */
const fromCommand = (command: string): Promise<string> =>
  new Promise((done, reject) => {
    const options = { timeout: PATIENCE, maxBuffer: MOST, encoding: 'utf8' } as const;
    execFile(command.includes('/') ? resolve(command) : command, [], options, (error, stdout) => {
      // Its words are not repeated: they may hold the passphrase.
      if (error === null) done(stdout);
      else
        reject(
          refuse(
            `the command for the passphrase, ${printable(command)}, failed (${error.code ?? error.signal ?? 'it could not be started'})`,
          ),
        );
    });
  });

/**
 * The passphrase, without the end of its line; `undefined` if none is named.
 * @throws AppError `usage` for two sources, `ca_passphrase` with what is wrong
 */
export const readPassphrase = async ({ file, command }: PassphraseSource): Promise<Secret | undefined> => {
  if (file !== undefined && command !== undefined)
    throw new AppError(
      'usage',
      '--ca-passphrase-file and --ca-passphrase-command are two ways to say one thing: name one',
    );
  if (file === undefined && command === undefined) return undefined;
  const text = (await (file === undefined ? fromCommand(command ?? '') : fromFile(file))).replace(/\r?\n$/, '');
  if (text.length < LEAST || /[\r\n]/.test(text))
    throw refuse(`the passphrase is to be one line of ${LEAST} characters or more`);
  return secret(text);
};

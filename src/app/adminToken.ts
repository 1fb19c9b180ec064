import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, messageOf } from '../lib/errors.ts';
import { type Secret, secret } from '../lib/secret.ts';
import { writeAtomically } from './files.ts';

const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/**
 * The admin token of a data directory: kept over restarts, made if there is none, readable by Signet's user only.
 * @throws AppError `data_unusable`, `write_failed`
 */
export const openAdminToken = async (data: string): Promise<Secret> => {
  const path = join(data, 'admin.token');
  const kept = await readKept(path);
  if (kept !== undefined) return secret(kept);
  const token = randomBytes(32).toString('base64url');
  await writeAtomically(path, `${token}\n`, 0o600);
  return secret(token);
};

const readKept = async (path: string): Promise<string | undefined> => {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    // One that others could have read, or that is not ours, is replaced.
    return TOKEN.test(text) && ((await stat(path)).mode & 0o077) === 0 ? text : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new AppError('data_unusable', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
};

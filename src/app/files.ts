import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, messageOf } from '../lib/errors.ts';

/** Writes a file so that a reader sees the old or the new content and nothing between, and so that it is on disk. */
export const writeAtomically = async (path: string, text: string, mode: number): Promise<void> => {
  const beside = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(beside, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw new AppError('write_failed', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
  }
};

/**
 * The data directory: made if missing, and Signet's alone, since it holds the keys of the authorities.
 * @throws AppError `data_unusable`
 */
export const openDataDirectory = (path: string): void => {
  try {
    if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(path, 0o700);
  } catch (error) {
    throw new AppError('data_unusable', `the data directory ${path} cannot be made: ${messageOf(error)}`);
  }
  const { mode, uid } = statSync(path);
  const own = process.getuid?.();
  if (own !== undefined && uid !== own) {
    const advice = `use another --data, or run as that user`;
    throw new AppError('data_unusable', `the data directory ${path} belongs to user ${uid}, not to ${own}: ${advice}`);
  }
  if ((mode & 0o077) !== 0) {
    const shown = (mode & 0o777).toString(8);
    const message = `the data directory ${path} is open to other users (mode ${shown}): run chmod 700 ${path}`;
    throw new AppError('data_unusable', message);
  }
};

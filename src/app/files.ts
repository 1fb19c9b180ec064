import { randomBytes } from 'node:crypto';
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

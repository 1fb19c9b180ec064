import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { AppError } from '../lib/errors.ts';

/**
 * The bytes of a regular file. Only one that ends: opening a FIFO would wait for a writer, and a shutdown for that, without
 * end.
 * @throws AppError `EISDIR`, `ENOTFILE`, `EFBIG`, or what the system says
 */
export const readSaved = async (file: string, maxBytes: number): Promise<Uint8Array> => {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (found.isDirectory()) throw new AppError('EISDIR', 'a folder');
    if (!found.isFile()) throw new AppError('ENOTFILE', 'no regular file');
    if (found.size > maxBytes) throw new AppError('EFBIG', 'too large');
    return await handle.readFile();
  } finally {
    await handle.close();
  }
};

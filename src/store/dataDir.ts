import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { AppError, messageOf } from '../lib/errors.ts';

/** The store's files inside the data directory; both hold or guard private keys. */
export const DATA_FILE = 'state.mdb';
const FILES = [DATA_FILE, `${DATA_FILE}-lock`] as const;

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;
const codeOf = (thrown: unknown): string | undefined => (thrown as NodeJS.ErrnoException | undefined)?.code;
const refuse = (message: string, cause?: unknown): never => {
  throw new AppError('data_dir', message, { cause });
};

const refuseForeign = (path: string, uid: number): void => {
  const own = process.geteuid?.();
  if (own !== undefined && uid !== own) {
    refuse(
      `${path} belongs to uid ${uid} and Signet runs as uid ${own}: run chown ${own} ${path}, or use another --data`,
    );
  }
};

const makeDir = (dir: string): void => {
  try {
    // mkdir's own mode is cut by the umask, which may also be too tight to use the folder afterwards.
    if (mkdirSync(dir, { recursive: true, mode: 0o700 }) !== undefined) chmodSync(dir, 0o700);
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST' || codeOf(cause) === 'ENOTDIR')
      refuse(`${dir} is not a directory: name one with --data`, cause);
    refuse(`the data directory ${dir} cannot be made: ${messageOf(cause)}`, cause);
  }
};

const checkDir = (dir: string): void => {
  const stat = statSync(dir);
  if (!stat.isDirectory()) refuse(`${dir} is not a directory: name one with --data`);
  refuseForeign(dir, stat.uid);
  // Private keys lie in here: whoever may enter it may read or swap them.
  if ((stat.mode & 0o077) !== 0) {
    refuse(`the data directory ${dir} is open to other users (mode ${octal(stat.mode)}): run chmod 700 ${dir}`);
  }
  try {
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    refuse(`the data directory ${dir} is not writable (mode ${octal(stat.mode)}): run chmod 700 ${dir}`, cause);
  }
};

const makeFile = (path: string): void => {
  try {
    const fd = openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600);
    fchmodSync(fd, 0o600);
    closeSync(fd);
  } catch (cause) {
    refuse(`${path} cannot be made: ${messageOf(cause)}`, cause);
  }
};

const checkFile = (path: string): void => {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  // Made here before LMDB opens it, because LMDB would make it readable by the group.
  if (stat === undefined) {
    makeFile(path);
    return;
  }
  if (!stat.isFile()) refuse(`${path} is not a regular file: move it away, or use another --data`);
  refuseForeign(path, stat.uid);
  if ((stat.mode & 0o077) !== 0)
    refuse(`${path} is open to other users (mode ${octal(stat.mode)}): run chmod 600 ${path}`);
};

/**
 * Makes the data directory (0700) and the store's files (0600) where they are missing, whatever the umask, and refuses
 * any that somebody else owns or may read. Returns the path of the data file.
 * @throws AppError `data_dir`: one sentence with the path, what is wrong and the remedy.
 */
export const prepareDataDir = (dir: string): string => {
  makeDir(dir);
  checkDir(dir);
  for (const file of FILES) checkFile(join(dir, file));
  return join(dir, DATA_FILE);
};

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { AppError } from '../lib/errors.ts';

// The two meta pages of an LMDB file, as lmdb-js lays them out: 24 bytes of page header, then `MDB_meta`.
// https://github.com/kriszyp/lmdb-js/blob/master/dependencies/lmdb/libraries/liblmdb/mdb.c (struct MDB_meta)
const MAGIC = 0xbeefc0de;
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_BYTES = 160;

type Meta = { readonly pageSize: number; readonly lastPage: number; readonly transaction: bigint };

const readMeta = (fd: number, offset: number): Meta | undefined => {
  const page = Buffer.alloc(META_BYTES);
  if (readSync(fd, page, 0, META_BYTES, offset) < META_BYTES || page.readUInt32LE(MAGIC_AT) !== MAGIC) return undefined;
  return {
    pageSize: page.readUInt32LE(PAGE_SIZE_AT),
    lastPage: Number(page.readBigUInt64LE(LAST_PAGE_AT)),
    transaction: page.readBigUInt64LE(TRANSACTION_AT),
  };
};

const faultOf = (fd: number): string | undefined => {
  const size = fstatSync(fd).size;
  if (size === 0) return undefined;
  const first = readMeta(fd, 0);
  if (first === undefined) return 'its first page is no LMDB header';
  const second = readMeta(fd, first.pageSize);
  if (second === undefined || second.pageSize !== first.pageSize) return 'its second page is no LMDB header';
  const newest = second.transaction > first.transaction ? second : first;
  const needed = (newest.lastPage + 1) * newest.pageSize;
  return size < needed ? `it is cut off: ${size} bytes of at least ${needed}` : undefined;
};

/**
 * Refuses a data file that is no LMDB file or was cut off. LMDB maps the file into memory and would end the process with
 * SIGSEGV or SIGBUS, without a word; an empty file is a store that was not begun yet.
 * @throws AppError `store_corrupt`
 */
export const checkDataFile = (path: string): void => {
  const fd = openSync(path, 'r');
  try {
    const fault = faultOf(fd);
    if (fault === undefined) return;
    throw new AppError(
      'store_corrupt',
      `the store ${path} is damaged (${fault}): put a backup in its place; nothing was changed`,
    );
  } finally {
    closeSync(fd);
  }
};

import { statSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Entry, Store, Write } from '../lib/store.ts';
import { prepareDataDir } from './dataDir.ts';
import { checkDataFile } from './dataFile.ts';
import { isAlive, type Owner, parseOwner, thisOwner } from './owner.ts';
import { checkWrites, conflictOf } from './writes.ts';

type Database = RootDatabase<Buffer, string>;

// Entries lie under `e/`; the rest is the store's own. LMDB's per-entry version is the entry's revision.
const FORMAT_KEY = 'format';
const FORMAT = '1';
const OWNER_KEY = 'owner';
const REVISION_KEY = 'revision';
const entryKey = (key: string): string => `e/${key}`;

const unavailable = (message: string, cause?: unknown): AppError<'store_unavailable'> =>
  new AppError('store_unavailable', message, { cause });

const openDatabase = (file: string): Database => {
  try {
    return open<Buffer, string>({
      path: file,
      noSubdir: true,
      encoding: 'binary',
      useVersions: true,
      // Off: a commit is then synced (fdatasync, then an O_DSYNC meta page) before its promise resolves.
      overlappingSync: false,
      // Off: commits are grouped below, and its hidden promise would reject unhandled when the disk is full.
      eventTurnBatching: false,
    });
  } catch (cause) {
    throw unavailable(`the store ${file} cannot be opened: ${messageOf(cause)}`, cause);
  }
};

/** Runs inside one LMDB write transaction, which other processes wait for, and which the kernel frees when its holder dies. */
const claim = (db: Database, dir: string, me: Owner): void => {
  const format = db.get(FORMAT_KEY)?.toString('utf8');
  if (format !== undefined && format !== FORMAT) {
    throw new AppError(
      'store_format',
      `the store in ${dir} has format ${format} and this Signet reads ${FORMAT}: use the Signet that wrote it`,
    );
  }
  const record = db.get(OWNER_KEY);
  const owner = record === undefined ? undefined : parseOwner(record);
  if (owner !== undefined && isAlive(owner)) {
    throw new AppError(
      'store_locked',
      `the data directory ${dir} is in use by pid ${owner.pid}: stop it, or use another --data`,
    );
  }
  if (format === undefined) db.put(FORMAT_KEY, Buffer.from(FORMAT), 1);
  db.put(OWNER_KEY, Buffer.from(JSON.stringify(me)), me.nonce);
};

const takeOwnership = (db: Database, dir: string): Owner => {
  const me = thisOwner();
  try {
    db.transactionSync(() => claim(db, dir, me));
  } catch (thrown) {
    void db.close();
    throw thrown instanceof AppError
      ? thrown
      : unavailable(`the store in ${dir} cannot be written: ${messageOf(thrown)}`, thrown);
  }
  return me;
};

/** With bytes of its own. */
type OwnWrite = {
  readonly key: string;
  readonly value: Buffer | undefined;
  readonly ifRevision: number | undefined;
};

const ownWrite = ({ key, value, ifRevision }: Write): OwnWrite => ({
  key,
  value: value && Buffer.from(value),
  ifRevision,
});

type Pending = {
  readonly writes: readonly OwnWrite[];
  readonly resolve: () => void;
  readonly reject: (why: unknown) => void;
};

/** The commits of a group that hold, with the revision that each is given. A later one sees what an earlier one wrote. */
const admit = (group: readonly Pending[], revisionNow: (key: string) => number, last: number) => {
  const written = new Map<string, number>();
  const admitted: { readonly pending: Pending; readonly revision: number }[] = [];
  const revisionThen = (key: string): number => written.get(key) ?? revisionNow(key);
  for (const pending of group) {
    const { writes, reject } = pending;
    const conflict = conflictOf(writes, revisionThen);
    if (conflict !== undefined) {
      reject(conflict);
      continue;
    }
    const revision = last + admitted.length + 1;
    for (let at = 0; at < writes.length; at += 1) {
      const write = writes[at];
      if (write !== undefined) written.set(write.key, write.value === undefined ? 0 : revision);
    }
    admitted.push({ pending, revision });
  }
  return admitted;
};

/** The batch answers for its writes, most of which have one promise; a full disk must not end the process by its unhandled rejection. */
const quiet = (write: Promise<boolean>): void => {
  if (write === lastQuiet) return;
  lastQuiet = write;
  write.catch(ignore);
};
let lastQuiet: Promise<boolean> | undefined;
const ignore = (): undefined => undefined;

/** What the disk said: lmdb-js rejects with a general sentence that holds the reason as one more promise. */
const reasonOf = async (thrown: unknown): Promise<string> => {
  const inner: unknown = thrown instanceof Error && 'commitError' in thrown ? thrown.commitError : undefined;
  if (!(inner instanceof Promise)) return messageOf(thrown);
  const late = new Promise<string>((resolve) => setTimeout(() => resolve(messageOf(thrown)), 100));
  return Promise.race([inner.then(() => messageOf(thrown), messageOf), late]);
};

/** Is the file by this path still the one that was opened? A deleted one takes writes as before, and loses them all. */
const watchFile = (file: string): (() => void) => {
  const identity = (): string | undefined => {
    const found = statSync(file, { throwIfNoEntry: false });
    return found === undefined ? undefined : `${found.dev} ${found.ino}`;
  };
  const opened = identity();
  return () => {
    if (identity() === opened) return;
    throw unavailable(
      `${file} was removed or replaced while in use, so nothing can be kept: restore it and restart Signet`,
    );
  };
};

/**
 * One transaction for many commits, and only while this process is the owner: one that lost the store to another (a copy
 * in another container, say, whose pids it cannot see) writes nothing more.
 */
const writeGroup = async (
  db: Database,
  me: Owner,
  checkFile: () => void,
  admitted: ReturnType<typeof admit>,
): Promise<void> => {
  checkFile();
  const held = await db.ifVersion(OWNER_KEY, me.nonce, () => {
    let last = 0;
    for (const { pending, revision } of admitted) {
      last = revision;
      const { writes } = pending;
      for (let at = 0; at < writes.length; at += 1) {
        const write = writes[at];
        if (write?.value !== undefined) quiet(db.put(entryKey(write.key), write.value, revision));
        // What is absent and is to be stays absent: a mere condition, and every join and certificate has one.
        else if (write !== undefined && write.ifRevision !== 0) quiet(db.remove(entryKey(write.key)));
      }
    }
    quiet(db.put(REVISION_KEY, Buffer.from(String(last)), 1));
  });
  if (!held) throw unavailable('another process has taken over the data directory: nothing more is written from here');
};

const commitQueue = (db: Database, me: Owner, checkFile: () => void) => {
  let queue: Pending[] = [];
  let running: Promise<void> | undefined;
  let last = Number(db.get(REVISION_KEY)?.toString('utf8') ?? 0);
  const revisionNow = (key: string): number => db.getEntry(entryKey(key))?.version ?? 0;

  const writeAll = async (): Promise<void> => {
    while (queue.length > 0) {
      const group = queue;
      queue = [];
      const admitted = admit(group, revisionNow, last);
      try {
        if (admitted.length > 0) await writeGroup(db, me, checkFile, admitted);
        last += admitted.length;
        for (const { pending } of admitted) pending.resolve();
      } catch (cause) {
        const why =
          cause instanceof AppError
            ? cause
            : unavailable(`the store cannot write (is the disk full?): ${await reasonOf(cause)}`, cause);
        for (const { pending } of admitted) pending.reject(why);
      }
    }
    running = undefined;
  };

  return {
    add: (writes: readonly OwnWrite[]): Promise<void> =>
      new Promise((resolve, reject) => {
        queue.push({ writes, resolve, reject });
        running ??= Promise.resolve().then(writeAll);
      }),
    idle: async (): Promise<void> => running,
  };
};

const readRange = (db: Database, prefix: string): readonly Entry[] => {
  const entries: Entry[] = [];
  for (const { key, value, version } of db.getRange({ start: entryKey(prefix), versions: true })) {
    if (!key.startsWith(entryKey(prefix))) break;
    entries.push({ key: key.slice(entryKey('').length), value, revision: version ?? 0 });
  }
  return entries;
};

/**
 * Opens the embedded store in `dir`, which is made if it is missing: 0700, its files 0600. One process at a time: the
 * record of one that was killed is taken over. A commit is on the disk when its promise resolves.
 * @throws AppError `data_dir`, `store_locked`, `store_corrupt`, `store_format` or `store_unavailable`, each one sentence
 * with the path and the remedy.
 */
export const openLmdbStore = (dir: string): Store => {
  const file = prepareDataDir(dir);
  checkDataFile(file);
  const db = openDatabase(file);
  const me = takeOwnership(db, dir);
  const queue = commitQueue(db, me, watchFile(file));
  let closing: Promise<void> | undefined;
  const shut = async (): Promise<void> => {
    await queue.idle();
    await db.ifVersion(OWNER_KEY, me.nonce, () => db.remove(OWNER_KEY)).catch(() => false);
    await db.close();
  };
  const checkOpen = (): void => {
    if (closing !== undefined) throw unavailable(`the store in ${dir} is closed`);
  };
  return Object.freeze({
    get: (key: string): Entry | undefined => {
      checkOpen();
      const entry = db.getEntry(entryKey(key));
      return entry === undefined ? undefined : { key, value: entry.value, revision: entry.version ?? 0 };
    },
    list: (prefix: string): readonly Entry[] => {
      checkOpen();
      return readRange(db, prefix);
    },
    commit: async (writes: readonly Write[]): Promise<void> => {
      checkOpen();
      checkWrites(writes);
      // Copied now: the caller may reuse its buffers while the commit waits.
      const own = writes.map(ownWrite);
      if (own.length > 0) await queue.add(own);
    },
    close: (): Promise<void> => (closing ??= shut()),
  });
};

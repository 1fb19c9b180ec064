import { lstat, mkdtemp, readdir, rm, rmdir } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that only this user may enter, for as long as this process lives. */
export type PrivateFolder = {
  readonly path: string;
  /** Removes it with all that is in it. */
  readonly close: () => Promise<void>;
};

const PREFIX = /^signet-(sidecar|csds)-/;
/** Somebody listens here while the folder is in use: the kernel knows when that process is gone, however it ended. */
const ALIVE = 'alive.sock';
/** What else may listen in such a folder: an Envoy that outlived its command. */
const OTHERS = ['admin.sock'];

/**
 * Makes `signet-KIND-…` below the folder for temporary files, and removes those of this user that a process left behind which was killed
 * (`kill -9`): there is a private key in them.
 * @throws Error of the file system
 */
export const openPrivateFolder = async (kind: 'sidecar' | 'csds', parent = tmpdir()): Promise<PrivateFolder> => {
  await sweep(parent);
  const path = await mkdtemp(join(parent, `signet-${kind}-`));
  const alive = await listen(join(path, ALIVE));
  return {
    path,
    close: async () => {
      await rm(path, { recursive: true, force: true });
      alive.close();
    },
  };
};

const listen = (socket: string): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', reject);
    server.unref().listen(socket, () => resolve(server));
  });

/** What cannot be looked at or removed is left where it is: it keeps nobody from starting. */
const sweep = async (parent: string): Promise<void> => {
  const names = await readdir(parent).catch(() => []);
  await Promise.all(names.filter((name) => PREFIX.test(name)).map((name) => tidy(join(parent, name)).catch(() => {})));
};

const tidy = async (path: string): Promise<void> => {
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) return;
  const answers = await Promise.all([ALIVE, ...OTHERS].map((name) => answerOf(join(path, name))));
  // Without a socket of ours it is being made, or was never filled: `rmdir` takes an empty one alone.
  if (answers[0] === 'absent') return void (Date.now() - found.mtimeMs > 60_000 && (await rmdir(path)));
  if (!answers.includes('listens')) await rm(path, { recursive: true, force: true });
};

const answerOf = (socket: string): Promise<'listens' | 'nobody' | 'absent'> =>
  new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve('listens');
    });
    connection.once('error', (error: NodeJS.ErrnoException) => {
      // In doubt it is in use: a backlog that is full, a right that is missing.
      if (error.code === 'ECONNREFUSED') resolve('nobody');
      else resolve(error.code === 'ENOENT' ? 'absent' : 'listens');
    });
  });

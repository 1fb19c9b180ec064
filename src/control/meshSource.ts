import { createHash } from 'node:crypto';
import { constants, type FSWatcher, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { carryOver } from '../model/carryOver.ts';
import type { Mesh } from '../model/mesh.ts';
import type { Clock } from './clock.ts';
import { decodeJson, encodeJson, LAST_GOOD_MESH_KEY } from './keys.ts';

export type Loaded = { readonly mesh: Mesh; readonly warnings: readonly Diagnostic[] };

/** Why the file on disk is not what is served. */
export type MeshProblem = {
  readonly since: Instant;
  /** One sentence. */
  readonly message: string;
  readonly diagnostics: readonly Diagnostic[];
};

/** What is served, and why it may differ from the file. */
export type MeshState = Loaded & {
  readonly file: string;
  readonly loadedAt: Instant;
  readonly problem: MeshProblem | undefined;
};

export type MeshSourceOptions = {
  readonly file: string;
  readonly store: Store;
  readonly clock: Clock;
  /** Rejects with one sentence if it cannot say anything of these bytes. */
  readonly load: (file: string, bytes: Uint8Array) => Promise<Result<Loaded, readonly Diagnostic[]>>;
};

/** Whoever follows the file. */
export type MeshFollower = {
  /** A sentence if this mesh, although valid, must not follow the one that is served. */
  readonly refuse: (next: Mesh, served: Mesh) => string | undefined;
  /** A new mesh is in force; `noticedAt` is when its save was first seen. */
  readonly onMesh: (state: MeshState, noticedAt: Instant) => void;
  readonly onProblem: (problem: MeshProblem) => void;
  readonly onFailure: (what: string, error: unknown) => void;
};

/** Saves are over once nothing happened for this long, but are waited for no longer than `LATEST`. */
const QUIET: Duration = 50;
const LATEST: Duration = 1_000;
/** A file without a final line break is probably still being written. */
const UNFINISHED_QUIET: Duration = 400;
/** For file systems that send no events. */
const POLL: Duration = 2_000;

/** mesh.yaml on disk: read again on every save, never replaced by anything that does not load. */
export class MeshSource {
  readonly #options: MeshSourceOptions;
  #follower: MeshFollower | undefined;
  #state: MeshState;
  #seen: string | undefined;
  /** What was loaded at the start, until it is really served. */
  #unkept: Uint8Array | undefined;
  #noticedAt: Instant | undefined;
  #watcher: FSWatcher | undefined;
  #cancelRead: () => void = () => {};
  #cancelPoll: () => void = () => {};
  #reading = Promise.resolve();
  #closed = false;

  private constructor(options: MeshSourceOptions, state: MeshState, seen: string | undefined) {
    this.#options = options;
    this.#state = state;
    this.#seen = seen;
  }

  /**
   * Loads the file, or what was served last if it does not load now.
   * @throws AppError `mesh_invalid`, with the diagnostics as its cause, if there is neither.
   */
  static async open(options: MeshSourceOptions): Promise<MeshSource> {
    const now = options.clock.now();
    const read = await readMesh(options);
    if (read.ok) {
      const { bytes, hash, ...loaded } = read.value;
      const source = new MeshSource(
        options,
        { ...loaded, file: options.file, loadedAt: now, problem: undefined },
        hash,
      );
      source.#unkept = bytes;
      return source;
    }
    const kept = await recall(options);
    if (kept === undefined) {
      throw new AppError('mesh_invalid', read.error.message, { cause: read.error.diagnostics });
    }
    const problem = { since: now, message: read.error.message, diagnostics: read.error.diagnostics };
    return new MeshSource(options, { ...kept, file: options.file, loadedAt: now, problem }, read.error.hash);
  }

  state(): MeshState {
    return this.#state;
  }

  /** Whether the disk holds something that was not looked at yet, as for a moment after each save. */
  async isBehind(): Promise<boolean> {
    const { file } = this.#options;
    const hash = await readSaved(file).then(hashOf, (error: unknown) => unreadable(file, error));
    return hash !== this.#seen;
  }

  /** Starts to follow the file. */
  start(follower: MeshFollower): void {
    this.#follower = follower;
    if (this.#unkept !== undefined) this.#reading = this.#keep(this.#unkept);
    this.#watch();
    this.#poll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRead();
    this.#cancelPoll();
    this.#watcher?.close();
    await this.#reading;
  }

  /** The folder and not the file: editors save by renaming another file over it. */
  #watch(): void {
    try {
      const watcher = watch(dirname(this.#options.file), { persistent: false }, () => this.#noticed(QUIET));
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      this.#watcher = watcher;
    } catch {
      this.#watcher = undefined; // the folder is gone for now: the poll goes on and tries again
    }
  }

  #poll(): void {
    this.#cancelPoll = this.#options.clock.after(POLL, () => {
      if (this.#watcher === undefined) this.#watch();
      this.#reading = this.#reading.then(() => this.#read(false));
      void this.#reading.then(() => (this.#closed ? undefined : this.#poll()));
    });
  }

  #noticed(quiet: Duration): void {
    if (this.#closed) return;
    const now = this.#options.clock.now();
    this.#noticedAt ??= now;
    this.#cancelRead();
    const wait = Math.max(0, Math.min(quiet, this.#noticedAt + LATEST - now));
    this.#cancelRead = this.#options.clock.after(wait, () => {
      this.#reading = this.#reading.then(() => this.#read(true));
    });
  }

  async #read(settled: boolean): Promise<void> {
    if (this.#closed) return;
    const { clock } = this.#options;
    const read = await readMesh(this.#options, this.#seen);
    const hash = read.ok ? read.value.hash : read.error.hash;
    if (hash === this.#seen) {
      if (settled) this.#noticedAt = undefined;
      return;
    }
    const noticedAt = this.#noticedAt ?? clock.now();
    // The poll may come in the middle of a save: it only says that there is something to look at.
    if (!settled) return this.#noticed(QUIET);
    const unfinished = read.ok ? !read.value.finished : !read.error.finished;
    if (unfinished && clock.now() - noticedAt < UNFINISHED_QUIET) return this.#noticed(UNFINISHED_QUIET);
    this.#noticedAt = undefined;
    this.#seen = hash;
    if (!read.ok) return this.#complain(read.error.message, read.error.diagnostics);
    const { bytes, mesh, warnings } = read.value;
    const refusal = this.#follower?.refuse(mesh, this.#state.mesh);
    if (refusal !== undefined) return this.#complain(refusal, []);
    const inForce = await carryOver(this.#state.mesh, mesh);
    this.#state = { mesh: inForce, warnings, file: this.#options.file, loadedAt: clock.now(), problem: undefined };
    this.#follower?.onMesh(this.#state, noticedAt);
    await this.#keep(bytes);
  }

  /** Keeps the bytes, so that a restart beside a broken file serves this mesh and not none. */
  async #keep(bytes: Uint8Array): Promise<void> {
    const value = encodeJson({ base64: Buffer.from(bytes).toString('base64') });
    try {
      await this.#options.store.commit([{ key: LAST_GOOD_MESH_KEY, value }]);
    } catch (error) {
      this.#follower?.onFailure('the mesh in force could not be kept for a restart', error);
    }
  }

  #complain(message: string, diagnostics: readonly Diagnostic[]): void {
    const problem = { since: this.#options.clock.now(), message, diagnostics };
    this.#state = { ...this.#state, problem };
    this.#follower?.onProblem(problem);
  }
}

type Read = Loaded & { readonly bytes: Uint8Array; readonly hash: string; readonly finished: boolean };
type Unreadable = {
  readonly message: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly hash: string;
  readonly finished: boolean;
};

/** Far more than any loader takes, and little enough to read at every save. */
const MAX_BYTES = 16 * 1024 * 1024;

/**
 * Only a file that ends: opening a FIFO would wait for a writer, and a shutdown for that, without end.
 * @throws what `unreadable` puts into words.
 */
export const readSaved = async (file: string): Promise<Uint8Array> => {
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = await handle.stat();
    if (found.isDirectory()) throw new AppError('EISDIR', 'a folder');
    if (!found.isFile()) throw new AppError('ENOTFILE', 'no regular file');
    if (found.size > MAX_BYTES) throw new AppError('EFBIG', 'too large');
    return await handle.readFile();
  } finally {
    await handle.close();
  }
};

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Reads and loads; a content whose hash is `known` is not loaded again. */
const readMesh = async (
  { file, load }: Pick<MeshSourceOptions, 'file' | 'load'>,
  known?: string,
): Promise<Result<Read, Unreadable>> => {
  let bytes: Uint8Array;
  try {
    bytes = await readSaved(file);
  } catch (error) {
    // A save by rename may leave a moment without the file, like one that is half written.
    const message = unreadable(file, error);
    return { ok: false, error: { message, diagnostics: [], hash: message, finished: false } };
  }
  const hash = hashOf(bytes);
  const finished = bytes.at(-1) === 0x0a;
  if (hash === known) return { ok: false, error: { message: '', diagnostics: [], hash, finished } };
  let loaded: Awaited<ReturnType<typeof load>>;
  try {
    loaded = await load(file, bytes);
  } catch (error) {
    return { ok: false, error: { message: messageOf(error), diagnostics: [], hash, finished } };
  }
  if (loaded.ok) return { ok: true, value: { ...loaded.value, bytes, hash, finished } };
  const count = loaded.error.length;
  const message = `${file} has ${count === 1 ? 'an error' : `${count} errors`}`;
  return { ok: false, error: { message, diagnostics: loaded.error, hash, finished } };
};

const recall = async ({ store, file, load }: MeshSourceOptions): Promise<Loaded | undefined> => {
  const kept = decodeJson<{ readonly base64: string }>(store.get(LAST_GOOD_MESH_KEY));
  if (kept === undefined) return undefined;
  try {
    const loaded = await load(file, Buffer.from(kept.base64, 'base64'));
    return loaded.ok ? loaded.value : undefined;
  } catch {
    return undefined; // then the file on disk is the reason that the operator is told
  }
};

/** Why a mesh file cannot be read, and what to do. */
export const unreadable = (file: string, error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `there is no ${file}: write one, or name yours with --config`;
  if (code === 'EISDIR') return `${file} is a folder: name the file with --config`;
  if (code === 'ENOTFILE') return `${file} is no regular file, and only such a file can be followed`;
  if (code === 'EFBIG') return `${file} is larger than ${MAX_BYTES} bytes`;
  if (code === 'EACCES') return `${file} may not be read by this user: change its mode or owner`;
  return `${file} cannot be read (${String(code ?? error)})`;
};

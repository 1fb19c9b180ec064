import { createHash } from 'node:crypto';
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { carryOver } from '../model/carryOver.ts';
import type { Mesh } from '../model/mesh.ts';
import { type BesideFiles, type LoadMesh, loadWithFiles, readBeside } from './besideFiles.ts';
import type { Clock } from './clock.ts';
import { decodeJson, encodeJson, LAST_GOOD_MESH_KEY } from './keys.ts';
import { refuseOlderBundle } from './olderBundle.ts';
import { readSaved } from './readSaved.ts';

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
  readonly load: LoadMesh;
  /** A save was noticed: it is loaded once it is over. */
  readonly prepare?: () => void;
};

/** Why a mesh does not follow the one that is served; `again`: not yet, so it is asked about again. */
export type MeshRefusal = { readonly message: string; readonly again: boolean };

/** Whoever follows the file. */
export type MeshFollower = {
  /** Why this mesh, although valid, must not follow the one that is served. */
  readonly refuse: (next: Mesh, served: Mesh) => MeshRefusal | undefined;
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
  /** What was looked at last, and which files it named. */
  #seen: Known;
  /** What was found when it was looked at before it is followed. */
  #found = '';
  /** It was refused for now, and is asked about again. */
  #waits = false;
  /** What was loaded at the start, until it is really served. */
  #unkept: Source | undefined;
  #noticedAt: Instant | undefined;
  #watcher: FSWatcher | undefined;
  #cancelRead: () => void = () => {};
  #cancelPoll: () => void = () => {};
  #reading = Promise.resolve();
  #closed = false;

  private constructor(options: MeshSourceOptions, state: MeshState, seen: Known) {
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
      const { mesh, warnings } = read.value;
      const older = await olderThanKept(options, mesh, now);
      if (older !== undefined) return new MeshSource(options, older, read.value);
      const state = { mesh, warnings, file: options.file, loadedAt: now, problem: undefined };
      const source = new MeshSource(options, state, read.value);
      source.#unkept = read.value;
      return source;
    }
    const kept = await recall(options);
    if (kept === undefined) {
      throw new AppError('mesh_invalid', read.error.message, { cause: read.error.diagnostics });
    }
    const problem = { since: now, message: read.error.message, diagnostics: read.error.diagnostics };
    return new MeshSource(options, { ...kept, file: options.file, loadedAt: now, problem }, read.error);
  }

  state(): MeshState {
    return this.#state;
  }

  /** Whether the disk holds something that was not looked at yet, as for a moment after each save. */
  async isBehind(): Promise<boolean> {
    const { file } = this.#options;
    const beside = await readBeside(file, this.#seen.named);
    const hash = await readMeshFile(file).then(
      (bytes) => hashOf(bytes, beside),
      (error: unknown) => unreadable(file, error),
    );
    return hash !== this.#seen.hash;
  }

  /**
   * Looks at the file while a start waits, before it is followed. A save counts once it was found twice, so that no half of
   * one does; one that does not load changes nothing but `problem`.
   */
  async reread(): Promise<void> {
    const read = await readMesh(this.#options, this.#seen);
    const { hash, named } = read.ok ? read.value : read.error;
    const settled = hash === this.#found;
    this.#found = hash;
    if (hash === this.#seen.hash || !settled) return;
    this.#seen = { hash, named };
    if (!read.ok) return this.#complain(read.error.message, read.error.diagnostics);
    const { mesh, warnings } = read.value;
    const { file, clock } = this.#options;
    this.#state = { mesh, warnings, file, loadedAt: clock.now(), problem: undefined };
    this.#unkept = read.value;
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
      const { file, prepare } = this.#options;
      const watcher = watch(dirname(file), { persistent: false }, (_, name) => {
        // Not for its neighbours, some of which are written all day.
        if (name === basename(file)) prepare?.();
        this.#noticed(QUIET);
      });
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
    const seen = this.#seen;
    const read = await readMesh(this.#options, this.#waits ? { ...seen, hash: undefined } : seen);
    const { hash, named } = read.ok ? read.value : read.error;
    if (hash === seen.hash && !this.#waits) {
      if (settled) this.#noticedAt = undefined;
      return;
    }
    const noticedAt = this.#noticedAt ?? clock.now();
    // The poll may come in the middle of a save: it only says that there is something to look at.
    if (!settled) return this.#noticed(QUIET);
    const unfinished = read.ok ? !read.value.finished : !read.error.finished;
    if (unfinished && clock.now() - noticedAt < UNFINISHED_QUIET) return this.#noticed(UNFINISHED_QUIET);
    this.#noticedAt = undefined;
    this.#seen = { hash, named };
    this.#waits = false;
    if (!read.ok) return this.#complain(read.error.message, read.error.diagnostics);
    const { mesh, warnings } = read.value;
    const refusal = this.#follower?.refuse(mesh, this.#state.mesh);
    if (refusal !== undefined) {
      this.#waits = refusal.again;
      return this.#complain(refusal.message, []);
    }
    const inForce = await carryOver(this.#state.mesh, mesh);
    this.#state = { mesh: inForce, warnings, file: this.#options.file, loadedAt: clock.now(), problem: undefined };
    this.#follower?.onMesh(this.#state, noticedAt);
    await this.#keep(read.value);
  }

  /** Keeps the bytes, so that a restart beside a broken file serves this mesh and not none. */
  async #keep(source: Source): Promise<void> {
    const value = encodeJson(keptForm(source));
    try {
      await this.#options.store.commit([{ key: LAST_GOOD_MESH_KEY, value }]);
    } catch (error) {
      this.#follower?.onFailure('the mesh in force could not be kept for a restart', error);
    }
  }

  #complain(message: string, diagnostics: readonly Diagnostic[]): void {
    // What waits is asked about again and again, and told once.
    if (this.#waits && this.#state.problem?.message === message) return;
    const problem = { since: this.#options.clock.now(), message, diagnostics };
    this.#state = { ...this.#state, problem };
    this.#follower?.onProblem(problem);
  }
}

type Source = { readonly bytes: Uint8Array; readonly beside: BesideFiles };
type Looked = { readonly hash: string; readonly named: readonly string[]; readonly finished: boolean };
type Read = Loaded & Source & Looked;
type Unreadable = Looked & { readonly message: string; readonly diagnostics: readonly Diagnostic[] };

/** Far more than any loader takes, and little enough to read at every save. */
const MAX_BYTES = 16 * 1024 * 1024;

/** @throws what `unreadable` puts into words. */
export const readMeshFile = (file: string): Promise<Uint8Array> => readSaved(file, MAX_BYTES);

/** Of a mesh file and of those that it names: a new bundle is as much of a save as a new rule. */
const hashOf = (bytes: Uint8Array, beside: BesideFiles): string => {
  const hash = createHash('sha256').update(createHash('sha256').update(bytes).digest());
  for (const path of [...beside.keys()].sort())
    hash.update(`${path}\0`).update(
      createHash('sha256')
        .update(beside.get(path) ?? '')
        .digest(),
    );
  return hash.digest('hex');
};

type Known = { readonly hash: string | undefined; readonly named: readonly string[] };

const UNKNOWN: Known = { hash: undefined, named: [] };

/** Reads and loads; a content whose hash is known is not loaded again. */
const readMesh = async (
  { file, load }: Pick<MeshSourceOptions, 'file' | 'load'>,
  known: Known = UNKNOWN,
): Promise<Result<Read, Unreadable>> => {
  let bytes: Uint8Array;
  try {
    bytes = await readMeshFile(file);
  } catch (error) {
    // A save by rename may leave a moment without the file, like one that is half written.
    const message = unreadable(file, error);
    return err({ message, diagnostics: [], hash: message, named: known.named, finished: false });
  }
  const expected = await readBeside(file, known.named);
  const finished = bytes.at(-1) === 0x0a;
  const before = hashOf(bytes, expected);
  if (before === known.hash) return err({ message: '', diagnostics: [], hash: before, named: known.named, finished });
  try {
    const { loaded, beside } = await loadWithFiles(load, file, bytes, expected);
    const read = { hash: hashOf(bytes, beside), named: [...beside.keys()], finished };
    if (loaded.ok) return ok({ ...loaded.value, ...read, bytes, beside });
    const count = loaded.error.length;
    const message = `${file} has ${count === 1 ? 'an error' : `${count} errors`}`;
    return err({ ...read, message, diagnostics: loaded.error });
  } catch (error) {
    return err({ message: messageOf(error), diagnostics: [], hash: before, named: known.named, finished });
  }
};

/** What is kept for a restart beside files that do not load. */
type Kept = { readonly base64: string; readonly beside?: Readonly<Record<string, string>> };

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

const keptForm = ({ bytes, beside }: Source): Kept => ({
  base64: base64(bytes),
  ...(beside.size === 0
    ? {}
    : {
        beside: Object.fromEntries(
          [...beside].flatMap(([path, content]) => (typeof content === 'string' ? [] : [[path, base64(content)]])),
        ),
      }),
});

const recall = async ({ store, file, load }: MeshSourceOptions): Promise<Loaded | undefined> => {
  const kept = decodeJson<Kept>(store.get(LAST_GOOD_MESH_KEY));
  if (kept === undefined) return undefined;
  const beside = Object.entries(kept.beside ?? {}).map(([path, text]) => [path, Buffer.from(text, 'base64')] as const);
  try {
    const loaded = await load(file, Buffer.from(kept.base64, 'base64'), new Map(beside));
    return loaded.ok ? loaded.value : undefined;
  } catch {
    return undefined; // then the file on disk is the reason that the operator is told
  }
};

/** What was served last goes on over a restart, too, where the file names older bundles than it does. */
const olderThanKept = async (options: MeshSourceOptions, mesh: Mesh, now: Instant): Promise<MeshState | undefined> => {
  if (mesh.trust.every(({ sequence }) => sequence === undefined)) return undefined;
  const kept = await recall(options);
  const refusal = kept && refuseOlderBundle(mesh, kept.mesh);
  if (kept === undefined || refusal === undefined) return undefined;
  return {
    ...kept,
    file: options.file,
    loadedAt: now,
    problem: { since: now, message: refusal.message, diagnostics: [] },
  };
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

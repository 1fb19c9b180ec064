import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { type BesideFiles, type LoadOutcome, NO_FILES } from '../control/besideFiles.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Duration } from '../lib/time.ts';
import { loadHere } from './meshFile.ts';
import { type PackedMesh, unpackMesh } from './packedMesh.ts';

/** A loader that leaves the event loop free for streams; `close` ends its thread. */
export type MeshThread = {
  readonly load: (file: string, bytes: Uint8Array, beside?: BesideFiles) => Promise<LoadOutcome>;
  /** A file comes in a moment: the thread starts now, if the last one was large enough for it. */
  readonly prepare: () => void;
  readonly close: () => Promise<void>;
};

type Options = {
  readonly heapMiB?: number;
  readonly restAfter?: Duration;
  /** What runs in the thread: `meshWorker.ts`, compiled. */
  readonly entry?: URL;
};

/** Some 40 services: loaded in the time that a thread needs to start. */
const SMALL_BYTES = 16 * 1024;
const PATIENCE_SECONDS = 60;
const HEAP_MIB = 1_024;
/** Saves come in bursts. A thread is some 30 MiB, and a new one needs 0.15 s until it has begun. */
const REST_AFTER: Duration = 5_000;
const ENTRY = new URL('meshWorker.js', import.meta.url);

/**
 * Loads small files at once and others in a thread, which starts with the first of them and ends when none came for a while.
 * `load` rejects with one sentence (AppError `mesh_unloadable`) if a file takes more memory or time than a mesh may.
 */
export const meshThread = (env: NodeJS.ProcessEnv, options: Options = {}): MeshThread => {
  const { heapMiB = HEAP_MIB, restAfter = REST_AFTER, entry = ENTRY } = options;
  const loadNow = loadHere(env);
  let thread: Worker | undefined;
  let resting: NodeJS.Timeout | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let isLarge = false;

  const start = (): Worker => {
    const resourceLimits = { maxOldGenerationSizeMb: heapMiB, maxYoungGenerationSizeMb: 8 };
    const worker = new Worker(entry, { workerData: { ...env }, resourceLimits });
    const ended = (): void => {
      if (thread === worker) thread = undefined;
    };
    return worker.on('exit', ended).on('error', ended);
  };

  const rest = (): void => {
    const worker = thread;
    // Forgotten first: a file that comes while it ends has a thread of its own.
    thread = undefined;
    void worker?.terminate();
  };

  const restLater = (worker: Worker): void => {
    clearTimeout(resting); // of a thread that ended by itself
    worker.unref();
    resting = setTimeout(rest, restAfter).unref();
  };

  const ask = async (file: string, bytes: Uint8Array, beside: BesideFiles): Promise<PackedMesh> => {
    clearTimeout(resting);
    thread ??= start();
    const worker = thread;
    const answered = new AbortController();
    const signal = AbortSignal.any([answered.signal, AbortSignal.timeout(PATIENCE_SECONDS * 1_000)]);
    const died = once(worker, 'exit', { signal }).then(() => Promise.reject(new Error('its thread ended')));
    worker.ref();
    try {
      worker.postMessage({ file, bytes, beside });
      const [packed] = (await Promise.race([once(worker, 'message', { signal }), died])) as [PackedMesh];
      restLater(worker);
      return packed;
    } catch (error) {
      // The next file has a thread of its own.
      await worker.terminate();
      throw new AppError('mesh_unloadable', unloadable(file, bytes.length, heapMiB, error), { cause: error });
    } finally {
      answered.abort();
    }
  };

  return {
    load: async (file, bytes, beside = NO_FILES) => {
      isLarge = bytes.length > SMALL_BYTES;
      if (!isLarge) return loadNow(file, bytes, beside);
      const packed = turn.then(() => ask(file, bytes, beside));
      // Nothing of a mesh is kept here when it was handed on.
      turn = packed.then(nothing, nothing);
      return unpackMesh(await packed);
    },
    prepare: () => {
      if (!isLarge || thread !== undefined) return;
      thread = start();
      restLater(thread);
    },
    close: async () => {
      clearTimeout(resting);
      await thread?.terminate();
    },
  };
};

const nothing = (): undefined => undefined;

const unloadable = (file: string, size: number, heapMiB: number, error: unknown): string => {
  const what = `${file} (${size} bytes)`;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY')
    return `${what} takes more than ${heapMiB} MiB of memory to load: make it smaller`;
  if (code === 'ABORT_ERR') return `${what} takes more than ${PATIENCE_SECONDS} s to load: make it smaller`;
  return `${what} could not be loaded: ${messageOf(error)}`;
};

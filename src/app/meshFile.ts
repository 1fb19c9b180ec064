import { readFile } from 'node:fs/promises';
import { normalize } from 'node:path';
import { loadMesh } from '../config/loadMesh.ts';
import { type BesideFiles, type LoadOutcome, loadWithFiles, NO_FILES } from '../control/besideFiles.ts';
import { type Loaded, readMeshFile, unreadable } from '../control/meshSource.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { AppError } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';

/** How bytes become a mesh here: with this environment, and with warnings for what has passed. */
export const meshLoader =
  (env: NodeJS.ProcessEnv) =>
  (file: string, bytes: Uint8Array, files: BesideFiles = NO_FILES): LoadOutcome => {
    const named = new Set<string>();
    const beside = (path: string): Uint8Array | string => {
      named.add(path);
      return files.get(path) ?? 'was not read';
    };
    // Places are shown as `mesh.yaml:3`, not as `./mesh.yaml:3`.
    const loaded = loadMesh(normalize(file), bytes, { env, now: Date.now(), beside });
    return { ...loaded, named: [...named] };
  };

/**
 * Loads a mesh file once. Only what is `followed` must be a file: a command that reads once may read a pipe.
 * @throws AppError `mesh_unreadable`
 */
export const loadMeshFile = async (
  file: string,
  env: NodeJS.ProcessEnv,
  followed = false,
): Promise<Result<Loaded, readonly Diagnostic[]>> => {
  let bytes: Uint8Array;
  try {
    bytes = await (followed ? readMeshFile(file) : readFile(file));
  } catch (error) {
    throw new AppError('mesh_unreadable', unreadable(file, error), { cause: error });
  }
  const { loaded } = await loadWithFiles(meshLoader(env), file, bytes, NO_FILES);
  return loaded;
};

import { readFile } from 'node:fs/promises';
import { normalize } from 'node:path';
import { loadMesh } from '../config/loadMesh.ts';
import { type Loaded, readSaved, unreadable } from '../control/meshSource.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { AppError } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';

/** How bytes become a mesh here: with this environment, and with warnings for what has passed. */
export const meshLoader =
  (env: NodeJS.ProcessEnv) =>
  (file: string, bytes: Uint8Array): Result<Loaded, readonly Diagnostic[]> =>
    // Places are shown as `mesh.yaml:3`, not as `./mesh.yaml:3`.
    loadMesh(normalize(file), bytes, { env, now: Date.now() });

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
    bytes = await (followed ? readSaved(file) : readFile(file));
  } catch (error) {
    throw new AppError('mesh_unreadable', unreadable(file, error), { cause: error });
  }
  return meshLoader(env)(file, bytes);
};

import { readFile } from 'node:fs/promises';
import { normalize } from 'node:path';
import { loadMesh } from '../config/loadMesh.ts';
import { type Loaded, type MeshSourceOptions, readSaved, unreadable } from '../control/meshSource.ts';
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
 * Loads a mesh file once, for a command: it may be a pipe.
 * @throws AppError `mesh_unreadable`
 */
export const loadMeshFile = (file: string, env: NodeJS.ProcessEnv): Promise<Result<Loaded, readonly Diagnostic[]>> =>
  loadOnce(file, readFile, async (...saved) => meshLoader(env)(...saved));

/**
 * Loads for the first time a mesh file that will be followed: it must be a file.
 * @throws AppError `mesh_unreadable`
 */
export const loadFollowed = (
  file: string,
  load: MeshSourceOptions['load'],
): Promise<Result<Loaded, readonly Diagnostic[]>> => loadOnce(file, readSaved, load);

const loadOnce = async (
  file: string,
  read: (file: string) => Promise<Uint8Array>,
  load: MeshSourceOptions['load'],
): Promise<Result<Loaded, readonly Diagnostic[]>> => {
  let bytes: Uint8Array;
  try {
    bytes = await read(file);
  } catch (error) {
    throw new AppError('mesh_unreadable', unreadable(file, error), { cause: error });
  }
  return load(file, bytes);
};

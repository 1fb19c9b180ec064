import { readFile } from 'node:fs/promises';
import { type LoadMesh, loadWithFiles, NO_FILES } from '../control/besideFiles.ts';
import { type Loaded, readMeshFile, unreadable } from '../control/meshSource.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { AppError } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';

/**
 * How bytes become a mesh in this thread. The reader of mesh.yaml is loaded with the first of them: of all commands few need it, and a
 * server with a large mesh does not.
 */
export const loadHere =
  (env: NodeJS.ProcessEnv): LoadMesh =>
  async (file, bytes, beside) => {
    const { meshLoader } = await import('./meshLoader.ts');
    return meshLoader(env)(file, bytes, beside);
  };

/**
 * Loads a mesh file once, for a command: it may be a pipe.
 * @throws AppError `mesh_unreadable`
 */
export const loadMeshFile = (file: string, env: NodeJS.ProcessEnv): Promise<Result<Loaded, readonly Diagnostic[]>> =>
  loadOnce(file, readFile, loadHere(env));

/**
 * Loads for the first time a mesh file that will be followed: it must be a file.
 * @throws AppError `mesh_unreadable`
 */
export const loadFollowed = (file: string, load: LoadMesh): Promise<Result<Loaded, readonly Diagnostic[]>> =>
  loadOnce(file, readMeshFile, load);

const loadOnce = async (
  file: string,
  read: (file: string) => Promise<Uint8Array>,
  load: LoadMesh,
): Promise<Result<Loaded, readonly Diagnostic[]>> => {
  let bytes: Uint8Array;
  try {
    bytes = await read(file);
  } catch (error) {
    throw new AppError('mesh_unreadable', unreadable(file, error), { cause: error });
  }
  const { loaded } = await loadWithFiles(load, file, bytes, NO_FILES);
  return loaded;
};

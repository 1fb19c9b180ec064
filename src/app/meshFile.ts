import { readFile } from 'node:fs/promises';
import { loadMesh } from '../config/loadMesh.ts';
import type { Loaded } from '../control/meshSource.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import { AppError } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';

/** How bytes become a mesh here: with this environment, and with warnings for what has passed. */
export const meshLoader =
  (env: NodeJS.ProcessEnv) =>
  (file: string, bytes: Uint8Array): Result<Loaded, readonly Diagnostic[]> =>
    loadMesh(file, bytes, { env, now: Date.now() });

/**
 * Loads a mesh file once.
 * @throws AppError `mesh_unreadable`
 */
export const loadMeshFile = async (
  file: string,
  env: NodeJS.ProcessEnv,
): Promise<Result<Loaded, readonly Diagnostic[]>> => {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new AppError('mesh_unreadable', unreadable(file, error), { cause: error });
  }
  return meshLoader(env)(file, bytes);
};

/** Why a mesh file cannot be read, and what to do. */
export const unreadable = (file: string, error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return `there is no ${file}: write one, or name yours with --config`;
  if (code === 'EISDIR') return `${file} is a folder: name the file with --config`;
  if (code === 'EACCES') return `${file} may not be read by this user: change its mode or owner`;
  return `${file} cannot be read (${String(code ?? error)})`;
};

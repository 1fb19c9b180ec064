import { normalize } from 'node:path';
import { loadMesh } from '../config/loadMesh.ts';
import { type BesideFiles, type LoadOutcome, NO_FILES } from '../control/besideFiles.ts';

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

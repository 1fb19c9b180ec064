import { normalize } from 'node:path';
import { loadMesh } from '../config/loadMesh.ts';
import type { Loaded } from '../control/meshSource.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type { Result } from '../lib/result.ts';

/** How bytes become a mesh here: with this environment, and with warnings for what has passed. */
export const meshLoader =
  (env: NodeJS.ProcessEnv) =>
  (file: string, bytes: Uint8Array): Result<Loaded, readonly Diagnostic[]> =>
    // Places are shown as `mesh.yaml:3`, not as `./mesh.yaml:3`.
    loadMesh(normalize(file), bytes, { env, now: Date.now() });

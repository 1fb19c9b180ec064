// The thread that loads large mesh files. What it is sent is one file at a time; it answers each with a packed mesh.
import { parentPort, workerData } from 'node:worker_threads';
import { meshLoader } from './meshLoader.ts';
import { packMesh } from './packedMesh.ts';

const load = meshLoader(workerData as NodeJS.ProcessEnv);

parentPort?.on('message', ({ file, bytes }: { readonly file: string; readonly bytes: Uint8Array }) =>
  parentPort?.postMessage(packMesh(load(file, bytes))),
);

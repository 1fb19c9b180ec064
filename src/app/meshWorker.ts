// The thread that loads large mesh files. What it is sent is one file at a time; it answers each with a packed mesh.
import { parentPort, workerData } from 'node:worker_threads';
import type { BesideFiles } from '../control/besideFiles.ts';
import { meshLoader } from './meshLoader.ts';
import { packMesh } from './packedMesh.ts';

const load = meshLoader(workerData as NodeJS.ProcessEnv);

type Job = { readonly file: string; readonly bytes: Uint8Array; readonly beside: BesideFiles };

parentPort?.on('message', ({ file, bytes, beside }: Job) =>
  parentPort?.postMessage(packMesh(load(file, bytes, beside))),
);

import { dirname, join } from 'node:path';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type { Result } from '../lib/result.ts';
import type { Mesh } from '../model/mesh.ts';
import { readSaved } from './readSaved.ts';

/** Files that a mesh file names, by their paths in it: bytes, or why they cannot be had as the end of a sentence. */
export type BesideFiles = ReadonlyMap<string, Uint8Array | string>;

export const NO_FILES: BesideFiles = new Map();

/** What a mesh file says, and which files it named on the way, good or not. */
export type LoadOutcome = Result<
  { readonly mesh: Mesh; readonly warnings: readonly Diagnostic[] },
  readonly Diagnostic[]
> & { readonly named?: readonly string[] };

/** Loads bytes, given the files that they name. What is not among them counts as unreadable, and is named in the outcome. */
export type LoadMesh = (file: string, bytes: Uint8Array, beside: BesideFiles) => Promise<LoadOutcome> | LoadOutcome;

/** A trust bundle with a root or two has some KiB. */
const MAX_BYTES = 1024 * 1024;

/** The contents of these files, which lie below the folder of `file`. */
export const readBeside = async (file: string, paths: Iterable<string>): Promise<BesideFiles> => {
  const read = async (path: string): Promise<readonly [string, Uint8Array | string]> => {
    try {
      return [path, await readSaved(join(dirname(file), path), MAX_BYTES)];
    } catch (error) {
      return [path, whyNot(error)];
    }
  };
  return new Map(await Promise.all([...paths].map(read)));
};

const whyNot = (error: unknown): string => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist';
  if (code === 'EISDIR' || code === 'ENOTFILE') return 'is no regular file';
  if (code === 'EFBIG') return `is larger than ${MAX_BYTES} bytes`;
  if (code === 'EACCES') return 'may not be read by this user';
  return `cannot be read (${String(code ?? 'unknown')})`;
};

/**
 * Loads a mesh file together with those that it names. `expected` are read at once, so that one pass is enough as long as
 * it names no others.
 */
export const loadWithFiles = async (
  load: LoadMesh,
  file: string,
  bytes: Uint8Array,
  expected: BesideFiles,
): Promise<{ readonly loaded: LoadOutcome; readonly beside: BesideFiles }> => {
  const first = await load(file, bytes, expected);
  const named = first.named ?? [];
  const missing = named.filter((path) => !expected.has(path));
  const kept = named.flatMap((path) => {
    const content = expected.get(path);
    return content === undefined ? [] : [[path, content] as const];
  });
  if (missing.length === 0) return { loaded: first, beside: new Map(kept) };
  const beside = new Map([...kept, ...(await readBeside(file, missing))]);
  return { loaded: await load(file, bytes, beside), beside };
};

import { err, type Result } from '../lib/result.ts';
import { type Bundle, readBundle } from '../spiffe/readBundle.ts';

/**
 * A file beside mesh.yaml that it names: its bytes, or why they cannot be had, as the end of a sentence (`does not exist`).
 * The path is relative to mesh.yaml's folder and does not leave it.
 */
export type Beside = (path: string) => Uint8Array | string;

/** Nothing can be read beside a text that stands alone. */
export const NOTHING_BESIDE: Beside = () => 'cannot be read here';

/** Why a path may not be named, if it may not: only what lies below the file's folder is the file's to name. */
export const pathProblem = (path: string): string | undefined => {
  if (path === '' || /\p{Cc}/u.test(path) || path.length > 1_000) return 'is not a path';
  if (path.startsWith('/')) return 'is absolute: write it relative to the folder of mesh.yaml';
  if (path.split('/').includes('..')) return 'leaves the folder of mesh.yaml';
  return undefined;
};

export type BundleProblem = { readonly code: 'SIG0307' | 'SIG0308'; readonly reason: string };

/** What a bundle's file holds. */
export const bundleIn = (path: string, beside: Beside): Result<Bundle, BundleProblem> => {
  const refused = pathProblem(path);
  if (refused !== undefined) return err({ code: 'SIG0307', reason: refused });
  const found = beside(path);
  if (typeof found === 'string') return err({ code: 'SIG0307', reason: found });
  const bundle = readBundle(found);
  return bundle.ok ? bundle : err({ code: 'SIG0308', reason: bundle.error });
};

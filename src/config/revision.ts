import { createHash } from 'node:crypto';
import type { FileSpec } from './schema.ts';

/**
 * Hash of what the file says: neither comments nor layout nor the order of keys nor the place of a line change it.
 * The order of lists does. What stands in `bundles` counts as if it stood in the file.
 */
export const revisionOf = (file: FileSpec, bundles: readonly (readonly string[])[]): string =>
  createHash('sha256')
    .update(canonical({ ...file, ...(bundles.length === 0 ? {} : { bundles }) }))
    .digest('hex')
    .slice(0, 16);

const canonical = (value: unknown): string => {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`;
};

import { AppError, invariant } from '../lib/errors.ts';
import type { Write } from '../lib/store.ts';

/** Printable ASCII, so that the order of keys is the same in memory and on disk. */
const KEY = /^[\x21-\x7e]{1,512}$/;

/** What every store asks of a commit, whoever made it: keys that are printable ASCII, and each at most once. */
export const checkWrites = (writes: readonly Write[]): void => {
  // For one write alone there is nothing to remember.
  const seen = writes.length > 1 ? new Set<string>() : undefined;
  for (let at = 0; at < writes.length; at += 1) {
    const key = writes[at]?.key ?? '';
    // Asked before: the sentence would be put together for every write that is good.
    if (!KEY.test(key))
      invariant(false, `a store key is 1 to 512 printable ASCII characters, not ${JSON.stringify(key)}`);
    if (seen?.has(key)) invariant(false, `one commit writes ${key} twice`);
    seen?.add(key);
  }
};

/** The refusal of the first write whose `ifRevision` does not hold; `revisionOf` answers 0 for an absent key. */
export const conflictOf = (
  writes: readonly { readonly key: string; readonly ifRevision?: number | undefined }[],
  revisionOf: (key: string) => number,
): AppError<'conflict'> | undefined => {
  for (let at = 0; at < writes.length; at += 1) {
    const { key = '', ifRevision } = writes[at] ?? {};
    if (ifRevision === undefined) continue;
    const stands = revisionOf(key);
    if (stands !== ifRevision) {
      return new AppError('conflict', `${key} stands at revision ${stands}, not at ${ifRevision}`);
    }
  }
  return undefined;
};

import { keepNewest } from '../lib/newest.ts';
import type { Duration } from '../lib/time.ts';
import type { Clock } from './clock.ts';

const MOST = 1_000;

/**
 * Who is refused comes again every few seconds, for ever. `isNew` is true for what was not asked for the same words within
 * `span`, so that the log says it once and then now and then. Holds the newest thousand.
 */
export const repeats = (clock: Clock, span: Duration): { readonly isNew: (words: string) => boolean } => {
  const said = new Map<string, number>();
  return {
    isNew: (words) => {
      const now = clock.now();
      const last = said.get(words);
      // A clock that was set back must not keep anything quiet.
      if (last !== undefined && now >= last && now - last < span) return false;
      keepNewest(said, words, now, MOST);
      return true;
    },
  };
};

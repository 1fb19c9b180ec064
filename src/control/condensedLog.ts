import type { Duration, Instant } from '../lib/time.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Says what happens to a node at once the first time in a minute, and the rest of that minute in one line with a count. */
export type CondensedLog = {
  readonly say: (level: 'info' | 'warn', fields: Fields, sentence: string) => void;
  /** Says what was only counted so far. */
  readonly close: () => void;
};

type Fields = { readonly node: string } & Readonly<Record<string, unknown>>;

/** `more`: how often it happened after it was said. */
type Said = { readonly since: Instant; more: number; tell: () => void; cancel: () => void };

const SPAN: Duration = 60_000;
/** What is remembered; beyond it the oldest is said, and forgotten. */
const MOST = 10_000;

export const newCondensedLog = (clock: Clock, log: Log): CondensedLog => {
  const said = new Map<string, Said>();
  const finish = (key: string): void => {
    const entry = said.get(key);
    said.delete(key);
    entry?.cancel();
    if (entry !== undefined && entry.more > 0) entry.tell();
  };
  return {
    say: (level, fields, sentence) => {
      const key = `${fields.node} ${sentence}`;
      const now = clock.now();
      const before = said.get(key);
      if (before !== undefined && now >= before.since && now - before.since < SPAN) {
        before.more += 1;
        if (before.more === 1) before.cancel = clock.after(before.since + SPAN - now, () => finish(key));
        return;
      }
      finish(key);
      log[level](fields, sentence);
      const entry: Said = { since: now, more: 0, tell: () => {}, cancel: () => {} };
      entry.tell = () => log[level]({ node: fields.node, times: entry.more }, `${sentence}: ${again(entry.more)}`);
      said.set(key, entry);
      const [oldest] = said.keys();
      if (said.size > MOST && oldest !== undefined) finish(oldest);
    },
    close: () => {
      for (const key of [...said.keys()]) finish(key);
    },
  };
};

const again = (times: number): string => `${times === 1 ? 'once' : `${times} times`} more within a minute`;

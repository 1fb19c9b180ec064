/** A moment, in milliseconds since the Unix epoch (UTC). `Now` is always an argument of the pure floors. */
export type Instant = number;

/** A span in milliseconds. */
export type Duration = number;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Reads `500ms`, `30s`, `15m`, `24h`, `7d`, `1h30m`; `undefined` if it is anything else. */
export const parseDuration = (text: string): Duration | undefined => {
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g)) total += Number(count) * (UNITS[unit ?? ''] ?? 0);
  return Number.isSafeInteger(total) ? total : undefined;
};

/** A moment as people and programs read it: ISO 8601 in UTC. */
export const iso = (at: Instant): string => new Date(at).toISOString();

/** `90061000` → `1d1h1m1s`; the two largest units are enough for a reader. */
export const showDuration = (span: Duration): string => {
  if (span < 1000) return `${Math.max(0, Math.round(span))}ms`;
  const parts: string[] = [];
  let rest = Math.floor(span / 1000);
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const) {
    if (rest >= size) parts.push(`${Math.floor(rest / size)}${unit}`);
    rest %= size;
  }
  return parts.slice(0, 2).join('');
};

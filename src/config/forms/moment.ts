import type { Instant } from '../../lib/time.ts';

const ISO = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** An ISO 8601 moment with its zone (RFC 3339 §5.6; seconds may be left out), or `undefined`. */
export const parseMoment = (written: string): Instant | undefined => {
  const match = ISO.exec(written);
  if (match === null) return undefined;
  const [year, month, day] = match.slice(1, 4).map(Number);
  // Date.parse would read the 30th of February as a day in March.
  const date = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day));
  if (date.getUTCMonth() + 1 !== month || date.getUTCDate() !== day) return undefined;
  const instant = Date.parse(written.replace(' ', 'T').toUpperCase());
  return Number.isNaN(instant) ? undefined : instant;
};

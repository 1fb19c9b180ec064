import { RegexMatcher } from '../gen/envoy/type/matcher/v3/regex.ts';
import type { StringMatcher } from '../gen/envoy/type/matcher/v3/string.ts';

/** A text inside an RE2 expression, every special byte escaped. Never run as a regular expression in Node. */
export const escapeRe2 = (text: string): string =>
  text.replace(/[^A-Za-z0-9_/~-]/g, (char) => (char.charCodeAt(0) < 128 ? `\\${char}` : char));

export const textMatcher = (
  $case: 'exact' | 'prefix' | 'suffix',
  value: string,
  ignoreCase: boolean,
): StringMatcher => ({
  matchPattern: { $case, value },
  ignoreCase,
});

const REGEX = RegexMatcher.fromPartial({});

/** RE2, matched against the whole value. */
export const regexMatcher = (expression: string): StringMatcher => ({
  matchPattern: { $case: 'safeRegex', value: { ...REGEX, regex: expression } },
  ignoreCase: false,
});

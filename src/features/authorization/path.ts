import type { PathRisk } from '../../model/mesh.ts';
import type { PathPattern, PathSegment } from '../../model/rule.ts';

/**
 * Does a pattern match a path that was normalised and freed of its query? The same meaning as the matchers that
 * `envoyPath.ts` emits. `wide`, for deny: case is ignored and an exact path takes its trailing slash too.
 */
export const pathMatches = (pattern: PathPattern, path: string, wide: boolean): boolean => {
  const fold = (text: string): string => (wide ? text.toLowerCase() : text);
  const actual = fold(path);
  switch (pattern.kind) {
    case 'any':
      return true;
    case 'exact': {
      const wanted = fold(pattern.path);
      // Envoy merges `//` alone to `//`, so that the root too has a trailing slash.
      return actual === wanted || (wide && (wanted === '/' || !wanted.endsWith('/')) && actual === `${wanted}/`);
    }
    case 'prefix':
      return actual === fold(pattern.path) || actual.startsWith(`${fold(pattern.path)}/`);
    case 'suffix':
      return actual.endsWith(fold(pattern.suffix));
    case 'template':
      return templateMatches(pattern.segments, actual, wide);
  }
};

// Segment by segment, never a regular expression: patterns come from users.
const templateMatches = (segments: readonly PathSegment[], path: string, wide: boolean): boolean => {
  if (!path.startsWith('/')) return false;
  const parts = path.slice(1).split('/');
  const last = segments.at(-1);
  const fixed = last?.kind === 'rest' ? segments.slice(0, -1) : segments;
  const fits = fixed.every((segment, index) => segmentMatches(segment, parts[index], wide));
  if (!fits) return false;
  if (last?.kind === 'rest') return wide ? parts.length >= fixed.length : parts.length > fixed.length;
  return parts.length === fixed.length || (wide && parts.length === fixed.length + 1 && parts.at(-1) === '');
};

const segmentMatches = (segment: PathSegment, part: string | undefined, wide: boolean): boolean => {
  if (part === undefined) return false;
  if (segment.kind === 'literal') return part === (wide ? segment.text.toLowerCase() : segment.text);
  return segment.kind === 'rest' || part !== '';
};

const RISK: Readonly<Record<PathRisk, RegExp>> = {
  ';': /;/,
  '%2F': /%2f/i,
  '%5C': /%5c/i,
  '%25': /%25[0-9a-f]{2}/i,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  control: /%[01][0-9a-f]|%7f|[\x00-\x1f\x7f]/i,
};

/** The first of these spellings that the normalised path holds, which is answered 400. */
export const refusedSpelling = (path: string, refused: readonly PathRisk[]): PathRisk | undefined =>
  refused.find((risk) => RISK[risk].test(path));

const HEX = /^[0-9A-Fa-f]{2}$/;
// `..;x` is `..` to Envoy, where neither the dots nor the slash before them are escaped or a backslash.
const DOTS_WITH_PARAMETERS = /(?<=\/)(\.\.?);[^/]*(?=\/|$)/g;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;
const ESCAPED_BY_ENVOY = /^["<>^`{|}\u007f]$/;

/**
 * A request's path as the rules see it: without query and fragment, percent-escapes of unreserved characters decoded,
 * `.` and `..` resolved, slashes merged, as Envoy's `normalize_path` and `merge_slashes` do.
 * https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto
 */
export const normalizePath = (requestTarget: string): string => {
  const raw = requestTarget.replace(/[?#].*$/s, '');
  const resolved = resolveDots(canonicalCharacters(raw.replace(DOTS_WITH_PARAMETERS, '$1')));
  // Slashes alone stay two in Envoy, for it joins the segments between a leading and a trailing one.
  return /^\/{2,}$/.test(resolved) ? '//' : resolved.replace(/\/{2,}/g, '/');
};

/** Envoy answers 400 before any rule: a fragment, `%00`, control characters and bytes beyond ASCII. */
export const isRefusedByEnvoy = (requestTarget: string): boolean =>
  /[^\x21-\x7e]|#/.test(requestTarget) || /^[^?]*%00/.test(requestTarget);

const canonicalCharacters = (raw: string): string => {
  let out = '';
  // Where in `out` the last % stands that begins no escape.
  let bare = -1;
  for (let at = 0; at < raw.length; at += 1) {
    const character = raw[at] ?? '';
    const hex = raw.slice(at + 1, at + 3);
    if (character === '%' && HEX.test(hex)) {
      const decoded = String.fromCharCode(Number.parseInt(hex, 16));
      at += 2;
      if (UNRESERVED.test(decoded)) out = withoutNewEscape(out + decoded, bare, raw[at + 1] ?? '');
      else out += `%${hex}`;
      continue;
    }
    if (character === '%') bare = out.length;
    out += canonicalCharacter(character);
  }
  return out;
};

const canonicalCharacter = (character: string): string => {
  if (character === '\\') return '/';
  return character <= ' ' || ESCAPED_BY_ENVOY.test(character) ? escapeByte(character.charCodeAt(0)) : character;
};

// Decoding must not make an escape that was not there: `%2%41` becomes `%252A`, not `%2A`.
const withoutNewEscape = (out: string, bare: number, next: string): string => {
  const length = out.length - bare;
  if (bare < 0 || length > 3) return out;
  const pair = out.slice(bare + 1) + (length === 2 ? next : '');
  return HEX.test(pair) ? `${out.slice(0, bare)}%25${out.slice(bare + 1)}` : out;
};

const escapeByte = (byte: number): string => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

// RFC 3986 §5.2.4; an empty segment counts as one, for slashes are merged afterwards.
const resolveDots = (path: string): string => {
  const out: string[] = [];
  const parts = path.split('/').slice(1);
  parts.forEach((part, index) => {
    const last = index === parts.length - 1;
    if (part === '.' || part === '..') {
      if (part === '..') out.pop();
      if (last) out.push('');
    } else out.push(part);
  });
  return `/${out.join('/')}`;
};

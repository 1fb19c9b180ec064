import { escapeRe2, regexMatcher, textMatcher } from '../../envoy/match.ts';
import type { StringMatcher } from '../../gen/envoy/type/matcher/v3/string.ts';
import type { PathRisk } from '../../model/mesh.ts';
import type { PathPattern, PathSegment } from '../../model/rule.ts';

/**
 * The matchers, any of which matches a path pattern on Envoy's `url_path` (normalised, without the query).
 * `wide`, for deny: case is ignored and an exact path takes its trailing slash too.
 */
export const pathMatchers = (pattern: PathPattern, wide: boolean): readonly StringMatcher[] | 'any' => {
  switch (pattern.kind) {
    case 'any':
      return 'any';
    case 'exact':
      // `//` stays `//` when slashes are merged, so a deny of `/` takes that too.
      return [pattern.path, ...(wide ? [`${pattern.path}/`] : [])].map((path) => textMatcher('exact', path, wide));
    case 'prefix':
      return [textMatcher('exact', pattern.path, wide), textMatcher('prefix', `${pattern.path}/`, wide)];
    case 'suffix':
      return [textMatcher('suffix', pattern.suffix, wide)];
    case 'template':
      return templateMatchers(pattern.segments, wide);
  }
};

const templateMatchers = (segments: readonly PathSegment[], wide: boolean): readonly StringMatcher[] => {
  const whole = regexMatcher(`${wide ? '(?i)' : ''}${segments.map(segmentExpression).join('')}${wide ? '/?' : ''}`);
  const above = segments.slice(0, -1);
  // A deny of everything below a path takes that path too, as `/a/*` does. In an expression of its own, for Envoy limits
  // each one's size.
  const andAbove = wide && segments.at(-1)?.kind === 'rest' && above.length > 0;
  return andAbove ? [whole, ...templateMatchers(above, wide)] : [whole];
};

const segmentExpression = (segment: PathSegment): string => {
  if (segment.kind === 'literal') return `/${escapeRe2(segment.text)}`;
  return segment.kind === 'one' ? '/[^/]+' : '/.*';
};

const RISK: Readonly<Record<PathRisk, string>> = {
  ';': ';',
  '%2F': '%2[fF]',
  '%5C': '%5[cC]',
  '%25': '%25[0-9a-fA-F]{2}',
  control: '%[01][0-9a-fA-F]|%7[fF]|[\\x00-\\x1f\\x7f]',
};

/** An RE2 expression for paths that hold one of these spellings anywhere. */
export const riskyPath = (risks: readonly PathRisk[]): string => `.*(?:${risks.map((risk) => RISK[risk]).join('|')}).*`;

import { showLocation } from '../lib/diagnostic.ts';
import type {
  IdentityMatch,
  Operation,
  OperationMatch,
  PathPattern,
  PathSegment,
  Principal,
  Rule,
  Source,
} from '../model/rule.ts';

/** `mesh.yaml:12 (debug-shell)` */
export const showRule = (rule: Rule): string =>
  `${showLocation(rule.location)}${rule.name === undefined ? '' : ` (${rule.name})`}`;

/** Callers as they would be written. */
export const showSources = (sources: readonly Source[]): string => sources.map(showSource).join(' or ');

/** Calls as they would be written; ports are left out. */
export const showOperations = (operations: readonly Operation[]): string => operations.map(showOperation).join(' or ');

export const showOperation = ({ not, ...match }: Operation): string => {
  const excepted = not === undefined ? '' : showMatch(not);
  return `${showMatch(match) || 'any call'}${excepted === '' ? '' : ` except ${excepted}`}`;
};

const showMatch = ({ methods, paths }: OperationMatch): string =>
  [methods?.join(','), paths?.map(showPath).join(',')].filter((part) => part !== undefined && part !== '').join(' ');

/** A pattern in the form of the file. */
export const showPath = (pattern: PathPattern): string => {
  switch (pattern.kind) {
    case 'any':
      return '/*';
    case 'exact':
      return pattern.path;
    case 'prefix':
      return `${pattern.path}/*`;
    case 'suffix':
      return `*${pattern.suffix}`;
    case 'template':
      return pattern.segments.map((segment) => `/${showSegment(segment)}`).join('');
  }
};

const showSegment = (segment: PathSegment): string =>
  segment.kind === 'literal' ? segment.text : segment.kind === 'one' ? '{*}' : '{**}';

const showSource = (source: Source): string => {
  if (source.kind === 'anyone') return 'anyone';
  const parts = [...showMatchOf(source), ...showMatchOf(source.not ?? {}).map((part) => `not ${part}`)];
  return parts.join(' and ') || 'any identity';
};

const showMatchOf = ({ principals, namespaces, trustDomains }: IdentityMatch): readonly string[] => [
  ...(principals === undefined ? [] : [principals.map(showPrincipal).join(', ')]),
  ...(namespaces === undefined ? [] : [`namespace ${namespaces.join(', ')}`]),
  ...(trustDomains === undefined ? [] : [`trust domain ${trustDomains.join(', ')}`]),
];

const showPrincipal = (principal: Principal): string => {
  if (principal.kind === 'id') return principal.id;
  return principal.kind === 'namespace' ? `${principal.namespace}/*` : '*';
};

import type { IdentityMatch, Operation, Principal, Rule, Source } from '../../model/rule.ts';
import {
  namesOf,
  namespacePrefix,
  type SpiffeId,
  type TrustDomain,
  trustDomainId,
  trustDomainOf,
} from '../../spiffe/spiffeId.ts';
import { pathMatches } from './path.ts';

/** Methods or paths, also below `not`: what only HTTP can carry. */
export const hasHttpFields = ({ methods, paths, not }: Operation): boolean =>
  methods !== undefined || paths !== undefined || not?.methods !== undefined || not?.paths !== undefined;

/** Is this caller meant? `undefined` is a caller without identity: `anyone` alone means it, and no `not` ever does. */
export const sourceMatches = (
  source: Source,
  identity: SpiffeId | undefined,
  { ownDomains, action }: { readonly ownDomains: readonly TrustDomain[]; readonly action: Rule['action'] },
): boolean => {
  if (source.kind === 'anyone') return true;
  if (identity === undefined) return false;
  const principal = (wanted: Principal): boolean => principalMatches(wanted, identity, ownDomains);
  const namespace = (wanted: string): boolean => isInNamespace(identity, wanted, ownDomains);
  const domain = (wanted: TrustDomain): boolean => alike(wanted, ownDomains).includes(trustDomainOf(identity));
  const { not } = source;
  return (
    (!isOwnOnly(source, action) || ownDomains.includes(trustDomainOf(identity))) &&
    (source.principals?.some(principal) ?? true) &&
    (source.namespaces?.some(namespace) ?? true) &&
    (source.trustDomains?.some(domain) ?? true) &&
    !(not?.principals?.some(principal) ?? false) &&
    !(not?.namespaces?.some(namespace) ?? false) &&
    !(not?.trustDomains?.some(domain) ?? false)
  );
};

/**
 * An allow that says only who is not meant must not let in those of other trust domains. Principals and trust domains
 * say whose they are, and namespaces are this mesh's.
 */
export const isOwnOnly = ({ principals, namespaces, trustDomains }: IdentityMatch, action: Rule['action']): boolean =>
  action === 'allow' && principals === undefined && namespaces === undefined && trustDomains === undefined;

/** All names of a trust domain: the mesh's own mean each other. */
export const alike = (domain: TrustDomain, ownDomains: readonly TrustDomain[]): readonly TrustDomain[] =>
  ownDomains.includes(domain) ? ownDomains : [domain];

const isInNamespace = (identity: SpiffeId, namespace: string, ownDomains: readonly TrustDomain[]): boolean =>
  ownDomains.some((domain) => identity.startsWith(namespacePrefix(domain, namespace)));

/**
 * Does the rule mean this caller on this port? A deny by identity also refuses callers without one where plaintext
 * comes in: they could be anybody.
 */
export const callerMatches = (
  rule: Rule,
  identity: SpiffeId | undefined,
  port: { readonly ownDomains: readonly TrustDomain[]; readonly takesPlaintext: boolean },
): boolean => {
  if (rule.action === 'deny' && identity === undefined && port.takesPlaintext) return rule.from.length > 0;
  const { action } = rule;
  return rule.from.some((source) => sourceMatches(source, identity, { ownDomains: port.ownDomains, action }));
};

const principalMatches = (principal: Principal, identity: SpiffeId, ownDomains: readonly TrustDomain[]): boolean => {
  switch (principal.kind) {
    case 'id':
      return namesOf(principal.id, ownDomains).includes(identity);
    case 'namespace':
      return isInNamespace(identity, principal.namespace, ownDomains);
    case 'mesh':
      return ownDomains.some((domain) => identity.startsWith(`${trustDomainId(domain)}/`));
  }
};

/** Yes, no, or a question that the call does not answer. */
export type Match = 'yes' | 'no' | { readonly dependsOn: readonly string[] };

/** A request as Envoy's rules see it: the path normalised and without its query. What is `undefined` is not known. */
export type RequestFacts = { readonly method?: string | undefined; readonly path?: string | undefined };

/**
 * Is this request meant by an operation that was narrowed to its port? `wide`, for deny: case is ignored and an exact
 * path takes its trailing slash, and below `not` the other way round, so that neither lets more through than is written.
 */
export const operationMatches = (operation: Operation, request: RequestFacts, wide: boolean): Match => {
  const { methods, paths, not } = operation;
  return every([
    ...(methods === undefined
      ? []
      : [field('method', request.method, (m) => methods.some((w) => methodIs(m, w, wide)))]),
    ...(paths === undefined ? [] : [field('path', request.path, (p) => paths.some((w) => pathMatches(w, p, wide)))]),
    ...(not?.methods === undefined
      ? []
      : [field('method', request.method, (m) => !not.methods?.some((w) => methodIs(m, w, !wide)))]),
    ...(not?.paths === undefined
      ? []
      : [field('path', request.path, (p) => !not.paths?.some((w) => pathMatches(w, p, !wide)))]),
  ]);
};

/** All of them. One `no` decides, whatever else is unknown. */
export const every = (matches: readonly Match[]): Match => combine(matches, 'no', 'yes');

/** Any of them. One `yes` decides, whatever else is unknown. */
export const some = (matches: readonly Match[]): Match => combine(matches, 'yes', 'no');

const combine = (matches: readonly Match[], decides: 'yes' | 'no', otherwise: 'yes' | 'no'): Match => {
  if (matches.includes(decides)) return decides;
  const open = matches.flatMap((match) => (typeof match === 'string' ? [] : match.dependsOn));
  return open.length === 0 ? otherwise : { dependsOn: [...new Set(open)] };
};

const field = (name: string, value: string | undefined, test: (value: string) => boolean): Match => {
  if (value === undefined) return { dependsOn: [name] };
  return test(value) ? 'yes' : 'no';
};

const methodIs = (method: string, wanted: string, wide: boolean): boolean =>
  wide ? method.toLowerCase() === wanted.toLowerCase() : method === wanted;

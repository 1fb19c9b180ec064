import { celAttribute, celCall, celText } from '../../envoy/cel.ts';
import { textMatcher } from '../../envoy/match.ts';
import { mtlsAuthenticated } from '../../envoy/principals.ts';
import {
  type Permission,
  type Policy,
  RBAC_Action,
  type Principal as RbacPrincipal,
  type RBAC as Rules,
} from '../../gen/envoy/config/rbac/v3/rbac.ts';
import { HeaderMatcher } from '../../gen/envoy/config/route/v3/route_components.ts';
import type { Expr } from '../../gen/google/api/expr/v1alpha1/syntax.ts';
import type { Instant } from '../../lib/time.ts';
import type { IdentityMatch, Operation, OperationMatch, Principal, Rule, Source } from '../../model/rule.ts';
import { namesOf, namespacePrefix, type TrustDomain, trustDomainId } from '../../spiffe/spiffeId.ts';
import { pathMatchers } from './envoyPath.ts';
import { alike, isOwnOnly } from './rule.ts';

/** What the compiler must know of the port that the rules stand before. */
export type RbacPort = {
  /** The names of this mesh. */
  readonly ownDomains: readonly TrustDomain[];
  /** Callers without identity can come in here (permissive or disable). */
  readonly takesPlaintext: boolean;
  readonly http: boolean;
};

/**
 * DENY of every rule, and of what stands `before` them, whose names must sort first. Nothing of either: nothing is denied
 * here, the allow rules still decide.
 */
export const denyRules = (
  rules: readonly Rule[],
  port: RbacPort,
  before: Readonly<Record<string, Policy>> = {},
): Rules => {
  const compiled = compile(RBAC_Action.DENY, rules, port);
  return { ...compiled, policies: { ...before, ...compiled.policies } };
};

/** ALLOW of every rule and of nothing else; `'any'` admits every call, an empty list none. */
export const allowRules = (rules: readonly Rule[] | 'any', port: RbacPort): Rules =>
  rules === 'any' ? allowAnyone() : compile(RBAC_Action.ALLOW, rules, port);

/** ALLOW of everybody, for routes that only answer a refusal by themselves. */
export const allowAnyone = (): Rules =>
  rulesOf(RBAC_Action.ALLOW, { any: policyOf([anyPermission()], [anyPrincipal()], undefined) });

/** The base of the allow filter: ALLOW of nothing, so a call whose route brings no policy is refused. */
export const allowNobody = (): Rules => rulesOf(RBAC_Action.ALLOW, {});

/** The base of the deny filter: DENY of nothing; the allow filter behind it refuses. */
export const denyNobody = (): Rules => rulesOf(RBAC_Action.DENY, {});

const rulesOf = (action: RBAC_Action, policies: Rules['policies']): Rules => ({
  action,
  policies,
  auditLoggingOptions: undefined,
});

const policyOf = (permissions: Permission[], principals: RbacPrincipal[], condition: Expr | undefined): Policy => ({
  permissions,
  principals,
  condition,
  checkedCondition: undefined,
  celConfig: undefined,
});

// One policy per rule: fields of several rules must never mix. The key holds no line of the file, for a comment
// above a rule must not change a byte of a TCP listener. Keys in sorted order, maps encode in insertion order.
const compile = (action: RBAC_Action, rules: readonly Rule[], port: RbacPort): Rules =>
  rulesOf(
    action,
    Object.fromEntries(
      rules
        .filter((rule) => rule.to.length > 0 && rule.from.length > 0)
        .map((rule, index) => [
          `${String(index).padStart(4, '0')}${rule.name === undefined ? '' : ` ${rule.name}`}`,
          policy(rule, port),
        ]),
    ),
  );

const policy = (rule: Rule, port: RbacPort): Policy =>
  policyOf(
    rule.to.map((operation) => permission(operation, rule.action === 'deny', port)),
    rule.from.flatMap((source) => principals(source, rule, port)),
    rule.until === undefined || !port.http ? undefined : before(rule.until),
  );

// A deny by identity on a port that takes plaintext also refuses callers without one: they could be anybody.
const principals = (source: Source, rule: Rule, port: RbacPort): readonly RbacPrincipal[] => {
  const own = principal(source, rule.action, port.ownDomains);
  const unproven = rule.action === 'deny' && source.kind === 'identity' && port.takesPlaintext;
  return unproven ? [own, not(mtlsAuthenticated(undefined))] : [own];
};

const principal = (source: Source, action: Rule['action'], ownDomains: readonly TrustDomain[]): RbacPrincipal => {
  if (source.kind === 'anyone') return anyPrincipal();
  return andPrincipals([
    // Stands first and always: `not` alone would match callers without identity.
    mtlsAuthenticated(undefined),
    ...(isOwnOnly(source, action) ? [orPrincipals(ownDomains.map(byDomain))] : []),
    ...identityFields(source, ownDomains),
    ...identityFields(source.not ?? {}, ownDomains).map(not),
  ]);
};

const identityFields = (
  { principals, namespaces, trustDomains }: IdentityMatch,
  ownDomains: readonly TrustDomain[],
): readonly RbacPrincipal[] => {
  const inNamespace = (namespace: string): readonly RbacPrincipal[] =>
    ownDomains.map((domain) => byPrefix(namespacePrefix(domain, namespace)));
  const byPrincipal = (wanted: Principal): readonly RbacPrincipal[] => {
    if (wanted.kind === 'id')
      return namesOf(wanted.id, ownDomains).map((value) => mtlsAuthenticated({ $case: 'exact', value }));
    return wanted.kind === 'namespace' ? inNamespace(wanted.namespace) : ownDomains.map(byDomain);
  };
  const any = <T>(list: readonly T[] | undefined, each: (one: T) => readonly RbacPrincipal[]): RbacPrincipal[] =>
    list === undefined ? [] : [orPrincipals(list.flatMap(each))];
  return [
    ...any(principals, byPrincipal),
    ...any(namespaces, inNamespace),
    ...any(trustDomains, (domain) => alike(domain, ownDomains).map(byDomain)),
  ];
};

const anyPrincipal = (): RbacPrincipal => ({ identifier: { $case: 'any', value: true } });
const not = (value: RbacPrincipal): RbacPrincipal => ({ identifier: { $case: 'notId', value } });
const andPrincipals = (ids: readonly RbacPrincipal[]): RbacPrincipal =>
  ids.length === 1 && ids[0] !== undefined ? ids[0] : { identifier: { $case: 'andIds', value: { ids: [...ids] } } };
const orPrincipals = (ids: readonly RbacPrincipal[]): RbacPrincipal =>
  ids.length === 1 && ids[0] !== undefined ? ids[0] : { identifier: { $case: 'orIds', value: { ids: [...ids] } } };
const byPrefix = (value: string): RbacPrincipal => mtlsAuthenticated({ $case: 'prefix', value });
const byDomain = (domain: TrustDomain): RbacPrincipal => byPrefix(`${trustDomainId(domain)}/`);

const anyPermission = (): Permission => ({ rule: { $case: 'any', value: true } });
const notPermission = (value: Permission): Permission => ({ rule: { $case: 'notRule', value } });
const orPermissions = (rules: readonly Permission[]): Permission =>
  rules.length === 1 && rules[0] !== undefined
    ? rules[0]
    : { rule: { $case: 'orRules', value: { rules: [...rules] } } };
const andPermissions = (rules: readonly Permission[]): Permission =>
  rules.length === 1 && rules[0] !== undefined
    ? rules[0]
    : { rule: { $case: 'andRules', value: { rules: [...rules] } } };

// Case matters in allow and does not in deny, so that neither lets more through than is written;
// below a `not` the two change places. Ports are narrowed by the plan: one listener stands before one port.
const permission = (operation: Operation, deny: boolean, port: RbacPort): Permission => {
  if (!port.http) return anyPermission();
  const all = [...fields(operation, deny), ...fields(operation.not ?? {}, !deny).map(notPermission)];
  return all.length === 0 ? anyPermission() : andPermissions(all);
};

const fields = ({ methods, paths }: OperationMatch, wide: boolean): Permission[] => [
  ...(methods === undefined ? [] : [orPermissions(methods.map((method) => methodIs(method, wide)))]),
  ...(paths === undefined
    ? []
    : [
        orPermissions(
          paths.flatMap((path) => {
            const matchers = pathMatchers(path, wide);
            if (matchers === 'any') return [anyPermission()];
            return matchers.map(
              (matcher): Permission => ({
                rule: { $case: 'urlPath', value: { rule: { $case: 'path', value: matcher } } },
              }),
            );
          }),
        ),
      ]),
];

const methodIs = (method: string, wide: boolean): Permission => ({
  rule: {
    $case: 'header',
    value: {
      ...HEADER,
      name: ':method',
      headerMatchSpecifier: { $case: 'stringMatch', value: textMatcher('exact', method, wide) },
    },
  },
});

const HEADER = HeaderMatcher.fromPartial({});

/** CEL knows no later one: a deny whose end it cannot read would deny nothing. */
const LAST_MOMENT = Date.parse('9999-12-31T23:59:59.999Z');

// request.time < timestamp("…"): the grant ends inside Envoy, on live connections, without the control plane.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes
const before = (until: Instant): Expr => {
  const text = celText(5, new Date(Math.min(until, LAST_MOMENT)).toISOString());
  return celCall(1, '_<_', [celAttribute(2, 'request', 'time'), celCall(4, 'timestamp', [text])]);
};

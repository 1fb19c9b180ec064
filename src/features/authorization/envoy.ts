import { textMatcher } from '../../envoy/match.ts';
import { packAny } from '../../envoy/pack.ts';
import {
  type Permission,
  type Policy,
  RBAC_Action,
  type Principal as RbacPrincipal,
  type RBAC as Rules,
} from '../../gen/envoy/config/rbac/v3/rbac.ts';
import { HeaderMatcher } from '../../gen/envoy/config/route/v3/route_components.ts';
import { Config as MtlsAuthenticated } from '../../gen/envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated.ts';
import { SubjectAltNameMatcher_SanType } from '../../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
import type { Expr } from '../../gen/google/api/expr/v1alpha1/syntax.ts';
import type { Instant } from '../../lib/time.ts';
import type { Operation, OperationMatch, Principal, Rule, Source } from '../../model/rule.ts';
import { namespacePrefix, type TrustDomain, trustDomainId } from '../../spiffe/spiffeId.ts';
import { pathMatchers } from './envoyPath.ts';

/** What the compiler must know of the port that the rules stand before. */
export type RbacPort = {
  readonly trustDomain: TrustDomain;
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
  const own = principal(source, port.trustDomain);
  const unproven = rule.action === 'deny' && source.kind === 'identity' && port.takesPlaintext;
  return unproven ? [own, not(mtlsAuthenticated(undefined))] : [own];
};

const principal = (source: Source, trustDomain: TrustDomain): RbacPrincipal => {
  if (source.kind === 'anyone') return anyPrincipal();
  const inNamespace = (namespace: string): RbacPrincipal => byPrefix(namespacePrefix(trustDomain, namespace));
  const byPrincipal = (wanted: Principal): RbacPrincipal => {
    if (wanted.kind === 'id') return mtlsAuthenticated({ $case: 'exact', value: wanted.id });
    return wanted.kind === 'namespace' ? inNamespace(wanted.namespace) : byPrefix(`${trustDomainId(trustDomain)}/`);
  };
  const any = (list: readonly RbacPrincipal[] | undefined): RbacPrincipal[] =>
    list === undefined ? [] : [orPrincipals(list)];
  const refused = (list: readonly RbacPrincipal[] | undefined): RbacPrincipal[] =>
    list === undefined ? [] : [not(orPrincipals(list))];
  return andPrincipals([
    // Stands first and always: `not` alone would match callers without identity.
    mtlsAuthenticated(undefined),
    ...any(source.principals?.map(byPrincipal)),
    ...any(source.namespaces?.map(inNamespace)),
    ...refused(source.not?.principals?.map(byPrincipal)),
    ...refused(source.not?.namespaces?.map(inNamespace)),
  ]);
};

const anyPrincipal = (): RbacPrincipal => ({ identifier: { $case: 'any', value: true } });
const not = (value: RbacPrincipal): RbacPrincipal => ({ identifier: { $case: 'notId', value } });
const andPrincipals = (ids: readonly RbacPrincipal[]): RbacPrincipal =>
  ids.length === 1 && ids[0] !== undefined ? ids[0] : { identifier: { $case: 'andIds', value: { ids: [...ids] } } };
const orPrincipals = (ids: readonly RbacPrincipal[]): RbacPrincipal =>
  ids.length === 1 && ids[0] !== undefined ? ids[0] : { identifier: { $case: 'orIds', value: { ids: [...ids] } } };
const byPrefix = (value: string): RbacPrincipal => mtlsAuthenticated({ $case: 'prefix', value });

// `authenticated: {}` would match TLS without any client certificate; this matches proven ones only.
const mtlsAuthenticated = (san: { $case: 'exact' | 'prefix'; value: string } | undefined): RbacPrincipal => ({
  identifier: {
    $case: 'custom',
    value: {
      name: 'envoy.rbac.principals.mtls_authenticated',
      typedConfig: packAny(MtlsAuthenticated, {
        sanMatcher: san && {
          sanType: SubjectAltNameMatcher_SanType.URI,
          matcher: textMatcher(san.$case, san.value, false),
          oid: '',
        },
        anyValidatedClientCertificate: san === undefined,
      }),
    },
  },
});

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
  const call = (id: bigint, name: string, args: Expr[]): Expr => ({
    id,
    exprKind: { $case: 'callExpr', value: { target: undefined, function: name, args } },
  });
  const text: Expr = {
    id: 5n,
    exprKind: {
      $case: 'constExpr',
      value: { constantKind: { $case: 'stringValue', value: new Date(Math.min(until, LAST_MOMENT)).toISOString() } },
    },
  };
  const request: Expr = { id: 2n, exprKind: { $case: 'identExpr', value: { name: 'request' } } };
  const time: Expr = {
    id: 3n,
    exprKind: { $case: 'selectExpr', value: { operand: request, field: 'time', testOnly: false } },
  };
  return call(1n, '_<_', [time, call(4n, 'timestamp', [text])]);
};

import type { Principal as RbacPrincipal } from '../gen/envoy/config/rbac/v3/rbac.ts';
import { Config as MtlsAuthenticated } from '../gen/envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated.ts';
import { SubjectAltNameMatcher_SanType } from '../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
import type { Expr } from '../gen/google/api/expr/v1alpha1/syntax.ts';
import { textMatcher } from './match.ts';
import { packAny } from './pack.ts';

/**
 * A certificate that was validated and, where `san` is said, has such a URI among its names: any of them counts.
 * `authenticated: {}` would match TLS without any client certificate; this matches proven ones only.
 */
export const mtlsAuthenticated = (san: { $case: 'exact' | 'prefix'; value: string } | undefined): RbacPrincipal => ({
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

/** `name(args)`, or `target.name(args)`; ids need only be different within one expression. */
export const celCall = (id: number, name: string, args: readonly Expr[], target?: Expr): Expr => ({
  id: BigInt(id),
  exprKind: { $case: 'callExpr', value: { target, function: name, args: [...args] } },
});

export const celText = (id: number, value: string): Expr => ({
  id: BigInt(id),
  exprKind: { $case: 'constExpr', value: { constantKind: { $case: 'stringValue', value } } },
});

/** `object.field`, for example `request.time`; takes two ids from `id` on. */
export const celAttribute = (id: number, object: string, field: string): Expr => {
  const operand: Expr = { id: BigInt(id), exprKind: { $case: 'identExpr', value: { name: object } } };
  return { id: BigInt(id + 1), exprKind: { $case: 'selectExpr', value: { operand, field, testOnly: false } } };
};

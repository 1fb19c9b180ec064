import type { Principal as RbacPrincipal } from '../gen/envoy/config/rbac/v3/rbac.ts';
import { Config as MtlsAuthenticated } from '../gen/envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated.ts';
import { SubjectAltNameMatcher_SanType } from '../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
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

import type { Principal as RbacPrincipal } from '../gen/envoy/config/rbac/v3/rbac.ts';
import { Config as MtlsAuthenticated } from '../gen/envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated.ts';
import { SubjectAltNameMatcher_SanType } from '../gen/envoy/extensions/transport_sockets/tls/v3/common.ts';
import { keepNewest } from '../lib/newest.ts';
import { textMatcher } from './match.ts';
import { packAny } from './pack.ts';

/**
 * A certificate that was validated and, where `san` is said, has such a URI among its names: any of them counts.
 * `authenticated: {}` would match TLS without any client certificate; this matches proven ones only.
 */
export const mtlsAuthenticated = (san: San | undefined): RbacPrincipal => {
  if (san === undefined) return PROVEN;
  const key = `${san.$case} ${san.value}`;
  const known = made.get(key) ?? principalOf(san);
  keepNewest(made, key, known, MOST);
  return known;
};

type San = { readonly $case: 'exact' | 'prefix'; readonly value: string };

/** An identity stands in the rules of everybody that it calls. */
const made = new Map<string, RbacPrincipal>();
const MOST = 5_000;

const principalOf = (san: San | undefined): RbacPrincipal => ({
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

const PROVEN = principalOf(undefined);

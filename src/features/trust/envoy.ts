import { celAttribute, celCall, celText } from '../../envoy/cel.ts';
import { mtlsAuthenticated } from '../../envoy/principals.ts';
import { Permission, Policy, Principal, RBAC_Action, RBAC as Rules } from '../../gen/envoy/config/rbac/v3/rbac.ts';
import type { Rule } from '../../model/rule.ts';
import { type TrustDomain, trustDomainId, trustDomainOf } from '../../spiffe/spiffeId.ts';

// Envoy's SPIFFE validator takes the trust domain from a certificate's first URI and holds the chain against that
// domain's roots alone; a second URI goes unchecked, and every matcher looks at all of them. So the CA of a trusted
// domain could put an identity of this mesh, or of a third domain, behind one of its own. The filters below refuse such
// certificates (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#5-validation: exactly one URI).

/** What `callerHeaders` writes for a caller with one well-formed SPIFFE ID: two are joined by a comma. */
const ONE_NAME = 'URI=spiffe://[a-z0-9._-]+(?:/[A-Za-z0-9._-]+)+';

/** DENY, over HTTP: whoever proves another number of names than one, or one that is no SPIFFE ID. */
export const oneNameHttp = (): Rules =>
  Rules.fromPartial({
    action: RBAC_Action.DENY,
    policies: {
      'not one SPIFFE ID': {
        permissions: [
          Permission.fromPartial({
            rule: {
              $case: 'notRule',
              value: {
                rule: {
                  $case: 'header',
                  value: {
                    name: 'x-forwarded-client-cert',
                    headerMatchSpecifier: {
                      $case: 'stringMatch',
                      value: { matchPattern: { $case: 'safeRegex', value: { regex: ONE_NAME } } },
                    },
                  },
                },
              },
            },
          }),
        ],
        principals: [Principal.fromPartial({ identifier: { $case: 'any', value: true } })],
      },
    },
  });

/**
 * DENY, over TCP, where there is no header: whoever has a name of a domain that rules look at behind a first name of
 * another domain.
 */
export const oneNameTcp = (ownDomains: readonly TrustDomain[], rules: readonly Rule[]): Rules => {
  const domains = [...new Set([...ownDomains, ...rules.flatMap(domainsOf)])].sort();
  return Rules.fromPartial({
    action: RBAC_Action.DENY,
    policies: Object.fromEntries(domains.map((domain) => [`a later name of ${domain}`, laterName(domain)])),
  });
};

const laterName = (domain: TrustDomain): Policy => {
  const prefix = `${trustDomainId(domain)}/`;
  // The first URI: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes
  const first = celAttribute(3, 'connection', 'uri_san_peer_certificate');
  return Policy.fromPartial({
    permissions: [Permission.fromPartial({ rule: { $case: 'any', value: true } })],
    principals: [mtlsAuthenticated({ $case: 'prefix', value: prefix })],
    condition: celCall(1, '!_', [celCall(2, 'startsWith', [celText(5, prefix)], first)]),
  });
};

const domainsOf = ({ from }: Rule): readonly TrustDomain[] =>
  from.flatMap((source) =>
    source.kind === 'anyone'
      ? []
      : [source, source.not ?? {}].flatMap(({ principals = [], trustDomains = [] }) => [
          ...principals.flatMap((principal) => (principal.kind === 'id' ? [trustDomainOf(principal.id)] : [])),
          ...trustDomains,
        ]),
  );

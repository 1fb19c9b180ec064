import { celAttribute, celCall, celTexts } from '../../envoy/cel.ts';
import type { Metadata } from '../../gen/envoy/config/core/v3/base.ts';
import { Permission, Policy, Principal } from '../../gen/envoy/config/rbac/v3/rbac.ts';
import type { Expr } from '../../gen/google/api/expr/v1alpha1/syntax.ts';
import { type Instant, iso } from '../../lib/time.ts';

/** Sorts before the policies of rules, which begin with a digit: it is the first that denies, and the one that Envoy names. */
const NAME = '!revoked';

/**
 * A policy for a DENY list, that whoever shows one of these certificates meets; none for no digests. It looks at the
 * certificate alone, so no name in it, and no rule, can get around it. RBAC has no principal for a digest, and Envoy's SPIFFE
 * validator ignores CRLs.
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/intro/arch_overview/advanced/attributes#connection-attributes
 */
export const revokedPolicies = (digests: readonly string[]): Readonly<Record<string, Policy>> =>
  digests.length === 0
    ? {}
    : {
        [NAME]: Policy.fromPartial({
          permissions: [Permission.fromPartial({ rule: { $case: 'any', value: true } })],
          principals: [Principal.fromPartial({ identifier: { $case: 'any', value: true } })],
          condition: shownDigestIn(digests),
        }),
      };

// Without a certificate there is no such attribute, and no match.
const shownDigestIn = (digests: readonly string[]): Expr =>
  celCall(1, '@in', [celAttribute(2, 'connection', 'sha256_peer_certificate_digest'), celTexts(4, digests)]);

/**
 * What a filter chain says of the last time that its connections were to be cut. Envoy reads nothing from it, but another
 * one is another chain: it drains the old one, and cuts what is left after `--drain-time-s`.
 */
export const cutMark = (at: Instant): Metadata => ({
  typedFilterMetadata: {},
  filterMetadata: { signet: { cut: iso(at) } },
});

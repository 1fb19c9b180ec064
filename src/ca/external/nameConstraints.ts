import { X509Certificate } from 'node:crypto';
import { OID } from '../../spiffe/oid.ts';
import { type Element, readCertificate, readElements } from '../../spiffe/readCertificate.ts';
import type { TrustDomain } from '../../spiffe/spiffeId.ts';
import type { CaCertificate } from '../caCertificate.ts';

const URI = 0x86;
const EMPTY = Buffer.alloc(0);

/** The URI names of `permittedSubtrees` ([0]) or `excludedSubtrees` ([1]). */
const urisOf = (subtrees: Element | undefined): readonly string[] =>
  readElements(subtrees?.body ?? EMPTY).flatMap((subtree) =>
    readElements(subtree.body).flatMap(({ tag, body }) => (tag === URI ? [body.toString('latin1')] : [])),
  );

/**
 * Whether the host of a URI is within a constraint: `.example.com` holds every host below it and not itself, anything else
 * that host alone (RFC 5280 §4.2.1.10). The host of a SPIFFE ID is its trust domain.
 */
const holds = (constraint: string, host: string): boolean => {
  const base = constraint.toLowerCase();
  return base.startsWith('.') ? host.length > base.length && host.endsWith(base) : host === base;
};

/** What name constraints have against the SPIFFE IDs of a trust domain, to be read behind the name of their certificate. */
export const uriConstraintFault = (value: Buffer, trustDomain: TrustDomain): string | undefined => {
  const parts = readElements(readElements(value)[0]?.body ?? EMPTY);
  const permitted = urisOf(parts.find(({ tag }) => tag === 0xa0));
  const excluded = urisOf(parts.find(({ tag }) => tag === 0xa1));
  if (excluded.some((constraint) => holds(constraint, trustDomain)))
    return `excludes URIs of the host ${trustDomain}, which every SPIFFE ID of this mesh has`;
  if (permitted.length > 0 && !permitted.some((constraint) => holds(constraint, trustDomain)))
    return `permits URIs of ${permitted.map((one) => JSON.stringify(one)).join(', ')} only, and every SPIFFE ID of this mesh has the host ${trustDomain}`;
  return undefined;
};

/** What these CAs, or those between them and their root, have against the SPIFFE IDs of a trust domain. */
export const namingFault = (
  cas: readonly Pick<CaCertificate, 'name' | 'pem' | 'above'>[],
  trustDomain: TrustDomain,
): string | undefined => {
  for (const { name, pem, above } of cas)
    for (const one of [pem, ...above]) {
      const value = readCertificate(new X509Certificate(one).raw).extensions.get(OID.nameConstraints)?.value;
      const fault = value && uriConstraintFault(value, trustDomain);
      if (fault !== undefined) return one === pem ? `${name} ${fault}` : `a CA above ${name} ${fault}`;
    }
  return undefined;
};

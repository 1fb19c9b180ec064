/**
 * SPIFFE IDs and trust domains as values.
 * Rules: https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md#2-spiffe-identity
 */

/** A lower-case trust domain name, for example `shop.example`. */
export type TrustDomain = string & { readonly __trustDomain: true };
/** All names of one mesh: its trust domain first, then its aliases. */
export type OwnDomains = readonly [TrustDomain, ...TrustDomain[]];
/** A whole SPIFFE ID, for example `spiffe://shop.example/ns/prod/sa/web`. */
export type SpiffeId = `spiffe://${string}` & { readonly __spiffeId: true };

/** A trust domain, or `undefined` if the text is none (§2.1: `[a-z0-9._-]`, at most 255 bytes). */
export const parseTrustDomain = (text: string): TrustDomain | undefined =>
  /^[a-z0-9][a-z0-9._-]{0,254}$/.test(text) ? (text as TrustDomain) : undefined;

// Whole, with the trust domain in it: asked for each certificate, and a match that is kept costs more than the search.
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9][a-z0-9._-]{0,254}(?:\/[A-Za-z0-9._-]+)*$/;
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;

/** A SPIFFE ID, or `undefined` (§2.2: segments of `[A-Za-z0-9._-]`, none empty, `.` or `..`, 2048 bytes in all). */
export const parseSpiffeId = (text: string): SpiffeId | undefined =>
  SPIFFE_ID.test(text) && text.length <= 2048 && !DOT_SEGMENT.test(text) ? (text as SpiffeId) : undefined;

/** The trust domain's own ID, which names its trust bundle in SDS. */
export const trustDomainId = (trustDomain: TrustDomain): SpiffeId => `spiffe://${trustDomain}` as SpiffeId;

/** A workload's ID: `spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/IDENTITY`. */
export const workloadId = (trustDomain: TrustDomain, namespace: string, identity: string): SpiffeId =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/${identity}` as SpiffeId;

/** The prefix of all IDs of one namespace, ending in `/` so that `prod` never covers `production`. */
export const namespacePrefix = (trustDomain: TrustDomain, namespace: string): string =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/`;

/** Names in SDS the bundles for whatever may call: those of this mesh and of the trust domains that it trusts. */
export const callersBundleId = (trustDomain: TrustDomain): SpiffeId =>
  `spiffe://${trustDomain}/signet/callers` as SpiffeId;

/** The control plane's ID, which no workload can have: it is not below `/ns/`. */
export const controlPlaneId = (trustDomain: TrustDomain): SpiffeId =>
  `spiffe://${trustDomain}/signet/control-plane` as SpiffeId;

/** The trust domain that an ID belongs to. */
export const trustDomainOf = (id: SpiffeId): TrustDomain =>
  id.slice('spiffe://'.length).split('/', 1)[0] as TrustDomain;

/** What follows the trust domain: `/ns/prod/sa/web`. */
export const pathOfId = (id: SpiffeId): string => id.slice(trustDomainId(trustDomainOf(id)).length);

/**
 * All names of one identity: an ID of one of the mesh's own trust domains has the same path in each of them, any other ID
 * is its only name. Its own name stands first.
 */
export const namesOf = (id: SpiffeId, ownDomains: readonly TrustDomain[]): readonly SpiffeId[] => {
  // Most meshes have no alias, and then there is no other name.
  if (ownDomains.length === 1) return [id];
  const home = trustDomainOf(id);
  if (!ownDomains.includes(home)) return [id];
  const path = pathOfId(id);
  const others = ownDomains.filter((domain) => domain !== home);
  return [id, ...others.map((domain) => `${trustDomainId(domain)}${path}` as SpiffeId)];
};

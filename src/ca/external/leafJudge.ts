import { type Duration, type Instant, showDuration } from '../../lib/time.ts';
import { OID } from '../../spiffe/oid.ts';
import { readElements } from '../../spiffe/readCertificate.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import { EMPTY_NAME } from '../der.ts';
import { BACKDATE } from '../sign.ts';
import { commonFault, type Judge, purposesOf } from './chain.ts';
import {
  authorityKeyOf,
  CRL_SIGN,
  constraintsOf,
  DIGITAL_SIGNATURE,
  extensionOf,
  type Foreign,
  KEY_CERT_SIGN,
  keyUsageOf,
  subjectKeyOf,
} from './foreign.ts';

export type LeafWish = { readonly id: SpiffeId; readonly ttl: Duration; readonly now: Instant };

const EMPTY = Buffer.alloc(0);
const URI = 0x86;
/** Whatever is shorter would be renewed all the time. */
const LEAST_LEFT: Duration = 5_000;

/** Exactly one name, byte for byte the identity: Envoy matches DNS names and subjects too where a URI does not decide. */
const nameFault = (leaf: Foreign, id: SpiffeId): string | undefined => {
  const value = extensionOf(leaf, OID.subjectAltName);
  if (value === undefined) return `has no subjectAltName, and is to hold ${id}`;
  const names = readElements(readElements(value)[0]?.body ?? EMPTY);
  const uris = names.filter(({ tag }) => tag === URI).map(({ body }) => body.toString('latin1'));
  if (uris.length !== 1 || uris[0] !== id)
    return `is to hold the one URI ${id}, and its URIs are ${JSON.stringify(uris)}`;
  if (names.length !== 1) return 'holds other names beside its URI, and only the URI is an identity';
  const isCritical = leaf.read.extensions.get(OID.subjectAltName)?.critical === true;
  return isCritical || !leaf.read.subject.equals(EMPTY_NAME)
    ? undefined
    : 'has an empty subject and a subjectAltName that is not critical (RFC 5280 §4.2.1.6): copy the subject or the criticality of the request';
};

const usageFault = (leaf: Foreign): string | undefined => {
  const usage = keyUsageOf(leaf);
  if (constraintsOf(leaf)?.ca === true) return 'is a CA certificate (CA:TRUE)';
  if (usage !== undefined && (usage & (KEY_CERT_SIGN | CRL_SIGN)) !== 0)
    return 'may sign certificates or CRLs (keyUsage)';
  if (usage === undefined || (usage & DIGITAL_SIGNATURE) === 0) return 'is without the keyUsage digitalSignature';
  const purposes = purposesOf(leaf) ?? [];
  const both = purposes.includes(OID.serverAuth) && purposes.includes(OID.clientAuth);
  if (!both) return 'is not for servers and clients (extendedKeyUsage is to hold serverAuth and clientAuth)';
  return purposes.length === 2 ? undefined : 'has more purposes than serverAuth and clientAuth';
};

const lifeFault = ({ read: { notBefore, notAfter } }: Foreign, { ttl, now }: LeafWish): string | undefined => {
  const life = notAfter - notBefore - BACKDATE;
  if (life > 2 * ttl)
    return `lives for ${showDuration(life)}, and mesh.certificates.ttl is ${showDuration(ttl)}: sign for that long at most`;
  return notAfter - now < LEAST_LEFT ? `ends in ${showDuration(notAfter - now)}, before it can be used` : undefined;
};

/**
 * What a leaf that somebody else signed may not break: the identity alone as its name, the life that was asked for (twice
 * it at most), no CA, the purposes of mTLS and no others, keys and algorithms that Envoy verifies. It may have what
 * enterprises add: a subject, more of keyUsage (key agreement, encipherment), and extensions that are not critical, such
 * as CRL distribution points, AIA, policies, SCTs.
 */
export const leafJudge = (wish: LeafWish): Judge => ({
  casBelow: 0,
  fault: (leaf, issuer) => {
    const [wanted, has] = [authorityKeyOf(leaf), subjectKeyOf(issuer)];
    if (wanted !== undefined && has !== undefined && !wanted.equals(has))
      return 'names another issuer (authority key identifier)';
    return commonFault(leaf, wish.now) ?? nameFault(leaf, wish.id) ?? usageFault(leaf) ?? lifeFault(leaf, wish);
  },
});

import { verify } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Instant } from '../lib/time.ts';
import { OID } from '../spiffe/oid.ts';
import {
  type CertificateFields,
  readCertificate,
  readElements,
  readOid,
  readUris,
  wholeOf,
} from '../spiffe/readCertificate.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { CaCertificate } from './caCertificate.ts';
import { BIT_STRING, EMPTY_NAME, INTEGER, SEQUENCE, tlv } from './der.ts';
import type { PublicPart } from './keys.ts';
import { KEY_USAGE_LEAF, keyIdentifier, type LeafUse, PURPOSES } from './profile.ts';
import type { Template } from './sign.ts';

const NO_CA = tlv(SEQUENCE);
const NOTHING = Buffer.alloc(0);
const CURVE_OIDS: Readonly<Record<Curve, string>> = { 'P-256': OID.p256, 'P-384': OID.p384 };
const POINT_BYTES: Readonly<Record<Curve, number>> = { 'P-256': 65, 'P-384': 97 };

/** What was asked for, which the certificate is held against. */
export type LeafCheck = {
  readonly template: Template;
  readonly id: SpiffeId;
  readonly use: LeafUse;
  readonly key: PublicPart;
  readonly issuer: CaCertificate;
  /** Whether the signature is verified, which costs more than all the rest. */
  readonly verifies: boolean;
};

/** UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
const timeTag = (at: Instant): number => (new Date(at).getUTCFullYear() < 2050 ? 0x17 : 0x18);

/** SubjectPublicKeyInfo of an uncompressed point on exactly this curve (RFC 5480 §2). */
const isKey = (spki: Buffer, { curve, point }: PublicPart): boolean => {
  const [algorithm, bits, ...more] = readElements(readElements(spki)[0]?.body ?? NOTHING);
  const [type, named] = readElements(algorithm?.body ?? NOTHING);
  return (
    more.length === 0 &&
    readOid(type?.body ?? NOTHING) === OID.ecPublicKey &&
    readOid(named?.body ?? NOTHING) === CURVE_OIDS[curve] &&
    bits?.tag === BIT_STRING &&
    bits.body[0] === 0 &&
    bits.body[1] === 4 &&
    bits.body.length === POINT_BYTES[curve] + 1 &&
    bits.body.subarray(1).equals(point)
  );
};

/** ECDSA-Sig-Value: two INTEGERs, positive and in their shortest form (RFC 3279 §2.2.3, X.690 §8.3.2). */
const isSignature = (bits: Buffer): boolean => {
  const [sequence, ...more] = readElements(bits.subarray(1));
  const numbers = readElements(sequence?.body ?? NOTHING);
  const positive = ({ tag, body: [first = 0x80, second = 0] }: (typeof numbers)[0]): boolean =>
    tag === INTEGER && first < 0x80 && (first !== 0 || second >= 0x80);
  return (
    bits[0] === 0 && sequence?.tag === SEQUENCE && more.length === 0 && numbers.length === 2 && numbers.every(positive)
  );
};

/** Both algorithm identifiers the issuer's, without parameters (RFC 5758 §3.2), and a signature in DER that verifies. */
const signatureFault = (
  der: Buffer,
  { signatureAlgorithms }: CertificateFields,
  { signature, publicKey }: CaCertificate,
  verifies: boolean,
): string | undefined => {
  const [tbs, algorithm, bits] = readElements(readElements(der)[0]?.body ?? NOTHING);
  if (signature === undefined || signatureAlgorithms.some((oid) => oid !== signature.oid)) return 'signature algorithm';
  if (readElements(algorithm?.body ?? NOTHING).length !== 1) return 'signature algorithm';
  if (tbs === undefined || bits === undefined || !isSignature(bits.body)) return 'form of the signature';
  if (!verifies || verify(signature.digest, wholeOf(tbs), publicKey, bits.body.subarray(1))) return undefined;
  return 'its signature does not verify';
};

/** What the own reader finds wrong with what was signed; each line is one promise of the profile. */
const faultOf = (der: Buffer, { template, id, use, key, issuer, verifies }: LeafCheck): string | undefined => {
  const read = readCertificate(der);
  const extension = (oid: string, critical: boolean): Buffer => {
    const found = read.extensions.get(oid);
    return found !== undefined && found.critical === critical ? found.value : NOTHING;
  };
  const uris = readUris(extension(OID.subjectAltName, true));
  const purposes = readElements(readElements(extension(OID.extKeyUsage, false))[0]?.body ?? NO_CA).map((e) =>
    readOid(e.body),
  );
  const identifier = extension(OID.subjectKeyIdentifier, false).subarray(2);
  const authority = extension(OID.authorityKeyIdentifier, false).subarray(4);
  if (read.extensions.size !== 6) return 'an extension too many or too few';
  if (uris.length !== 1 || uris[0] !== id) return 'subjectAltName';
  if (!read.subject.equals(EMPTY_NAME)) return 'subject';
  if (!read.issuer.equals(issuer.subject)) return 'issuer';
  if (!read.serial.equals(template.serial) || read.serial.length !== 16 || (read.serial[0] ?? 0) >= 0x80)
    return 'serial';
  if (read.notBefore !== template.notBefore || read.notBefore < issuer.notBefore) return 'notBefore';
  if (read.notAfter !== template.notAfter || read.notAfter > issuer.notAfter) return 'notAfter';
  if (read.times[0] !== timeTag(read.notBefore) || read.times[1] !== timeTag(read.notAfter)) return 'form of a time';
  if (!extension(OID.keyUsage, true).equals(KEY_USAGE_LEAF)) return 'keyUsage';
  if (purposes.join() !== PURPOSES[use].join()) return 'extKeyUsage';
  if (!extension(OID.basicConstraints, true).equals(NO_CA)) return 'basicConstraints';
  if (!isKey(read.spki, key)) return 'public key';
  if (!identifier.equals(keyIdentifier(key.point)) || !authority.equals(issuer.identifier)) return 'key identifiers';
  return signatureFault(der, read, issuer, verifies);
};

/**
 * Template → sign → validate: a reader that shares no code with the writer looks at every certificate before it leaves.
 * @throws AppError `profile_violation`, naming the part
 */
export const validateLeaf = (der: Buffer, check: LeafCheck): void => {
  let fault: string | undefined;
  try {
    fault = faultOf(der, check);
  } catch (thrown) {
    fault = messageOf(thrown);
  }
  if (fault !== undefined)
    throw new AppError(
      'profile_violation',
      `a certificate for ${check.id} broke its profile (${fault}) and was withheld`,
    );
};

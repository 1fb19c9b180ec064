import { verify } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { Instant } from '../lib/time.ts';
import { countBetween, endAt, GENERALIZED_TIME, insideAt, oidBetween, timeAt, UTC_TIME } from '../spiffe/derAt.ts';
import { OID } from '../spiffe/oid.ts';
import {
  type CertificateLayout,
  type ExtensionAt,
  extensionOf,
  extensionsIn,
  layoutOf,
} from '../spiffe/readCertificate.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { CaCertificate } from './caCertificate.ts';
import { BIT_STRING, EMPTY_NAME, INTEGER, OCTET_STRING, SEQUENCE, tlv } from './der.ts';
import type { PublicPart } from './keys.ts';
import { KEY_USAGE_LEAF, keyIdentifier, type LeafUse, PURPOSES } from './profile.ts';
import type { Template } from './sign.ts';

const NO_CA = tlv(SEQUENCE);
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
const timeTag = (at: Instant): number => (new Date(at).getUTCFullYear() < 2050 ? UTC_TIME : GENERALIZED_TIME);

/** Whether exactly these bytes stand there. */
const holds = (der: Buffer, from: number, to: number, wanted: Buffer): boolean =>
  to - from === wanted.length && der.compare(wanted, 0, wanted.length, from, to) === 0;

/** Whether one element with these contents stands there, and nothing else. */
const holdsOne = (der: Buffer, from: number, to: number, tag: number, wanted: Buffer): boolean =>
  endAt(der, from, to) === to && holds(der, insideAt(der, from, tag), to, wanted);

/** Whether a sequence stands there, and nothing else; then `from` of its contents, otherwise `undefined`. */
const insideOne = (der: Buffer, from: number, to: number): number | undefined =>
  endAt(der, from, to) === to ? insideAt(der, from, SEQUENCE) : undefined;

const isOnlyUri = (der: Buffer, { from, to }: ExtensionAt, id: SpiffeId): boolean => {
  const name = insideOne(der, from, to);
  if (name === undefined || endAt(der, name, to) !== to) return false;
  return der.toString('latin1', insideAt(der, name, 0x86), to) === id;
};

const hasPurposes = (der: Buffer, { from, to }: ExtensionAt, wanted: readonly string[]): boolean => {
  let at = insideOne(der, from, to);
  if (at === undefined || countBetween(der, at, to) !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i += 1) {
    const next = endAt(der, at, to);
    if (oidBetween(der, insideAt(der, at, 0x06), next) !== wanted[i]) return false;
    at = next;
  }
  return true;
};

const hasAuthority = (der: Buffer, { from, to }: ExtensionAt, identifier: Buffer): boolean => {
  const inner = insideOne(der, from, to);
  return inner !== undefined && holdsOne(der, inner, to, 0x80, identifier);
};

/** SubjectPublicKeyInfo of an uncompressed point on exactly this curve (RFC 5480 §2). */
const isKey = (der: Buffer, { spki, extensions: end }: CertificateLayout, { curve, point }: PublicPart): boolean => {
  const algorithm = insideAt(der, spki, SEQUENCE);
  const bits = endAt(der, algorithm, end);
  if (endAt(der, bits, end) !== end) return false;
  const type = insideAt(der, algorithm, SEQUENCE);
  const named = endAt(der, type, bits);
  if (endAt(der, named, bits) !== bits) return false;
  const octets = insideAt(der, bits, BIT_STRING);
  return (
    oidBetween(der, insideAt(der, type, 0x06), named) === OID.ecPublicKey &&
    oidBetween(der, insideAt(der, named, 0x06), bits) === CURVE_OIDS[curve] &&
    der[octets] === 0 &&
    der[octets + 1] === 4 &&
    end - octets === POINT_BYTES[curve] + 1 &&
    holds(der, octets + 1, end, point)
  );
};

/** An INTEGER that is positive and in its shortest form (X.690 §8.3.2). */
const isPositive = (der: Buffer, at: number, end: number): boolean => {
  const from = insideAt(der, at, INTEGER);
  if (from === end) return false;
  const first = der[from] ?? 0x80;
  return first < 0x80 && (first !== 0 || (end - from > 1 && (der[from + 1] ?? 0) >= 0x80));
};

/** ECDSA-Sig-Value: two INTEGERs (RFC 3279 §2.2.3), from `at` on. */
const isSignature = (der: Buffer, at: number, end: number): boolean => {
  if (endAt(der, at, end) !== end) return false;
  const first = insideAt(der, at, SEQUENCE);
  const second = endAt(der, first, end);
  return endAt(der, second, end) === end && isPositive(der, first, second) && isPositive(der, second, end);
};

/** An algorithm identifier without parameters (RFC 5758 §3.2). */
const isAlgorithm = (der: Buffer, at: number, end: number, oid: string): boolean => {
  const from = insideAt(der, at, SEQUENCE);
  return endAt(der, from, end) === end && oidBetween(der, insideAt(der, from, 0x06), end) === oid;
};

/** Both algorithm identifiers the issuer's, and a signature in DER that verifies. */
const signatureFault = (
  der: Buffer,
  at: CertificateLayout,
  { signature, publicKey }: CaCertificate,
  verifies: boolean,
): string | undefined => {
  const { tbs, innerAlgorithm, issuer, algorithm, end } = at;
  if (signature === undefined || !isAlgorithm(der, innerAlgorithm, issuer, signature.oid)) return 'signature algorithm';
  if (!isAlgorithm(der, algorithm, at.signature, signature.oid)) return 'signature algorithm';
  const bits = insideAt(der, at.signature, BIT_STRING);
  if (der[bits] !== 0 || !isSignature(der, bits + 1, end)) return 'form of the signature';
  const made = (): boolean =>
    verify(signature.digest, der.subarray(tbs, algorithm), publicKey, der.subarray(bits + 1, end));
  return !verifies || made() ? undefined : 'its signature does not verify';
};

const validityFault = (der: Buffer, at: CertificateLayout, { template, issuer }: LeafCheck): string | undefined => {
  const from = insideAt(der, at.validity, SEQUENCE);
  const notBefore = timeAt(der, from, at.notAfter);
  const notAfter = timeAt(der, at.notAfter, at.subject);
  if (notBefore !== template.notBefore || notBefore < issuer.notBefore) return 'notBefore';
  if (notAfter !== template.notAfter || notAfter > issuer.notAfter) return 'notAfter';
  const inForm = der[from] === timeTag(notBefore) && der[at.notAfter] === timeTag(notAfter);
  return inForm ? undefined : 'form of a time';
};

const ABSENT: ExtensionAt = { oid: '', critical: false, from: 0, to: 0 };

const extensionsFault = (
  der: Buffer,
  at: CertificateLayout,
  { id, use, key, issuer }: LeafCheck,
): string | undefined => {
  const extensions = extensionsIn(der, at);
  const extension = (oid: string, critical: boolean): ExtensionAt => {
    const found = extensionOf(extensions, oid);
    return found?.critical === critical ? found : ABSENT;
  };
  if (extensions.length !== 6) return 'an extension too many or too few';
  if (!isOnlyUri(der, extension(OID.subjectAltName, true), id)) return 'subjectAltName';
  const usage = extension(OID.keyUsage, true);
  if (!holds(der, usage.from, usage.to, KEY_USAGE_LEAF)) return 'keyUsage';
  if (!hasPurposes(der, extension(OID.extKeyUsage, false), PURPOSES[use])) return 'extKeyUsage';
  const constraints = extension(OID.basicConstraints, true);
  if (!holds(der, constraints.from, constraints.to, NO_CA)) return 'basicConstraints';
  const own = extension(OID.subjectKeyIdentifier, false);
  const ownIsRight = holdsOne(der, own.from, own.to, OCTET_STRING, keyIdentifier(key.point));
  const isRight = ownIsRight && hasAuthority(der, extension(OID.authorityKeyIdentifier, false), issuer.identifier);
  return isRight ? undefined : 'key identifiers';
};

/** What the own reader finds wrong with what was signed; each line is one promise of the profile. */
const faultOf = (der: Buffer, check: LeafCheck): string | undefined => {
  const { template, key, issuer, verifies } = check;
  const at = layoutOf(der);
  const serial = insideAt(der, at.serial, INTEGER);
  if (!holds(der, at.subject, at.spki, EMPTY_NAME)) return 'subject';
  if (!holds(der, at.issuer, at.validity, issuer.subject)) return 'issuer';
  if (!holds(der, serial, at.innerAlgorithm, template.serial)) return 'serial';
  if (template.serial.length !== 16 || (der[serial] ?? 0x80) >= 0x80) return 'serial';
  return (
    validityFault(der, at, check) ??
    extensionsFault(der, at, check) ??
    (isKey(der, at, key) ? undefined : 'public key') ??
    signatureFault(der, at, issuer, verifies)
  );
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

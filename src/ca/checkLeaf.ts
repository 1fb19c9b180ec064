import { AppError, messageOf } from '../lib/errors.ts';
import { OID } from '../spiffe/oid.ts';
import { readCertificate, readElements, readOid, readUris } from '../spiffe/readCertificate.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { CaCertificate } from './caCertificate.ts';
import { EMPTY_NAME, SEQUENCE, tlv } from './der.ts';
import { KEY_USAGE_LEAF, keyIdentifier, type LeafUse, PURPOSES } from './profile.ts';
import { openSslReads, type Template } from './sign.ts';

const NO_CA = tlv(SEQUENCE);

/** What was asked for, which the certificate is held against. */
export type LeafCheck = {
  readonly template: Template;
  readonly id: SpiffeId;
  readonly use: LeafUse;
  readonly point: Buffer;
  readonly issuer: CaCertificate;
};

/** What the own reader finds wrong with what was signed; each line is one promise of the profile. */
const faultOf = (der: Buffer, { template, id, use, point, issuer }: LeafCheck): string | undefined => {
  const read = readCertificate(der);
  const extension = (oid: string, critical: boolean): Buffer => {
    const found = read.extensions.get(oid);
    return found !== undefined && found.critical === critical ? found.value : Buffer.alloc(0);
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
  if (!extension(OID.keyUsage, true).equals(KEY_USAGE_LEAF)) return 'keyUsage';
  if (purposes.join() !== PURPOSES[use].join()) return 'extKeyUsage';
  if (!extension(OID.basicConstraints, true).equals(NO_CA)) return 'basicConstraints';
  if (!read.spki.subarray(-point.length).equals(point)) return 'public key';
  if (!identifier.equals(keyIdentifier(point)) || !authority.equals(issuer.identifier)) return 'key identifiers';
  return read.signatureAlgorithms.every((oid) => oid === OID.ecdsaWithSha256) ? undefined : 'signature algorithm';
};

/**
 * Template → sign → validate: two readers that share no code with the writer look at a certificate before it leaves.
 * @throws AppError `profile_violation`, naming the part
 */
export const validateLeaf = (der: Buffer, check: LeafCheck): void => {
  let fault: string | undefined;
  try {
    fault = faultOf(der, check);
    const seen = openSslReads(der, check.issuer.publicKey);
    if (seen.ca || seen.subjectAltName !== `URI:${check.id}`) fault ??= 'what OpenSSL reads';
  } catch (thrown) {
    fault = messageOf(thrown);
  }
  if (fault !== undefined)
    throw new AppError(
      'profile_violation',
      `a certificate for ${check.id} broke its profile (${fault}) and was withheld`,
    );
};

import { type KeyObject, X509Certificate } from 'node:crypto';
import { messageOf } from '../../lib/errors.ts';
import { printable } from '../../lib/printable.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { OID } from '../../spiffe/oid.ts';
import { type CertificateFields, readCertificate, readElements } from '../../spiffe/readCertificate.ts';

/** A certificate that somebody else made, as two readers see it: OpenSSL, and the own strict one. */
export type Foreign = {
  /** For sentences: `certificate 2 ("CN=Corp Issuing CA")`. */
  readonly name: string;
  readonly pem: string;
  readonly raw: Buffer;
  readonly x509: X509Certificate;
  readonly read: CertificateFields;
};

/** Far more than any chain needs. */
const MOST_BYTES = 64 * 1024;
const MOST_CERTIFICATES = 10;
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

const subjectOf = (x509: X509Certificate): string =>
  printable(x509.subject?.split('\n').join(', ') ?? '').slice(0, 120);

const readOne = (block: string, at: number): Result<Foreign, string> => {
  try {
    const x509 = new X509Certificate(block);
    // What stands behind the certificate inside one block would be read by some and not by others.
    if (Buffer.from(block.replace(/-----[^-]+-----|\s/g, ''), 'base64').length !== x509.raw.length)
      return err(`certificate ${at} has bytes behind its end`);
    const read = readCertificate(x509.raw);
    const pem = x509.toString();
    return ok({ name: `certificate ${at} (${JSON.stringify(subjectOf(x509))})`, pem, raw: x509.raw, x509, read });
  } catch (thrown) {
    const why = printable(messageOf(thrown)).slice(0, 120);
    const hint = why.endsWith('not version 3')
      ? ': it was signed without extensions (openssl: -copy_extensions copy)'
      : '';
    return err(`certificate ${at} cannot be read (${why})${hint}`);
  }
};

/**
 * The certificates of a PEM text, in their order; comments between the blocks are allowed (RFC 7468 §2). Refused in one
 * sentence: what is too large, is no PEM, holds a private key or anything else, or the same certificate twice.
 */
export const readPemChain = (text: string): Result<readonly Foreign[], string> => {
  if (text.length > MOST_BYTES) return err(`it is larger than ${MOST_BYTES / 1024} KiB`);
  if (text.trim() === '') return err('it is empty');
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/.test(text))
    return err('it holds a private key, which belongs into no chain: remove it, and make a new key if others saw it');
  const blocks = [...text.matchAll(BLOCK)];
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  if (begun === 0) return err('it is not PEM: no line says -----BEGIN CERTIFICATE-----');
  if (blocks.length !== begun) return err('one of its PEM blocks is cut off or holds something that is not base64');
  const other = blocks.find(([, label]) => label !== 'CERTIFICATE')?.[1];
  if (other !== undefined) return err(`it holds a PEM block that is no certificate but ${other}`);
  if (blocks.length > MOST_CERTIFICATES) return err(`it holds more than ${MOST_CERTIFICATES} certificates`);
  const chain: Foreign[] = [];
  for (const [index, [block]] of blocks.entries()) {
    const read = readOne(block, index + 1);
    if (!read.ok) return read;
    const twin = chain.find(({ raw }) => raw.equals(read.value.raw));
    if (twin !== undefined) return err(`${read.value.name} stands in it twice`);
    chain.push(read.value);
  }
  return ok(chain);
};

const EMPTY = Buffer.alloc(0);

/** The value of an extension, or nothing. */
export const extensionOf = ({ read }: Pick<Foreign, 'read'>, oid: string): Buffer | undefined =>
  read.extensions.get(oid)?.value;

/** keyIdentifier of the authority key identifier; the other forms of it identify nothing that Signet compares. */
export const authorityKeyOf = (certificate: Pick<Foreign, 'read'>): Buffer | undefined => {
  const [sequence] = readElements(extensionOf(certificate, OID.authorityKeyIdentifier) ?? EMPTY);
  return readElements(sequence?.body ?? EMPTY).find(({ tag }) => tag === 0x80)?.body;
};

export const subjectKeyOf = (certificate: Pick<Foreign, 'read'>): Buffer | undefined =>
  readElements(extensionOf(certificate, OID.subjectKeyIdentifier) ?? EMPTY)[0]?.body;

/** `CA` and the path length of basicConstraints; `undefined` where the extension is absent. */
export const constraintsOf = (
  certificate: Pick<Foreign, 'read'>,
): { readonly ca: boolean; readonly pathLength: number | undefined } | undefined => {
  const value = extensionOf(certificate, OID.basicConstraints);
  if (value === undefined) return undefined;
  const parts = readElements(readElements(value)[0]?.body ?? EMPTY);
  const ca = parts.find(({ tag }) => tag === 0x01)?.body[0] === 0xff;
  const length = parts.find(({ tag }) => tag === 0x02)?.body;
  return { ca, pathLength: length === undefined ? undefined : length.readIntBE(0, Math.min(length.length, 6)) };
};

/** The first octets of keyUsage as a number, digitalSignature the highest bit of 16; `undefined` where it is absent. */
export const keyUsageOf = (certificate: Pick<Foreign, 'read'>): number | undefined => {
  const value = extensionOf(certificate, OID.keyUsage);
  if (value === undefined) return undefined;
  const bits = readElements(value)[0]?.body ?? EMPTY;
  return ((bits[1] ?? 0) << 8) | (bits[2] ?? 0);
};
export const DIGITAL_SIGNATURE = 0x8000;
export const KEY_CERT_SIGN = 0x0400;
export const CRL_SIGN = 0x0200;

export const isSelfSigned = ({ read, x509 }: Foreign): boolean =>
  read.issuer.equals(read.subject) && x509.verify(x509.publicKey);

/** What is wrong with a public key, to be read behind the name of its certificate. */
export const keyFault = (key: KeyObject): string | undefined => {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  const wanted = 'RSA of 2048 to 8192 bits, or EC on P-256, P-384 or P-521';
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < 2048 || modulusLength > 8192)
      return `has an RSA key of ${modulusLength} bits, and is to have ${wanted}`;
    if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent >= 2n ** 33n)
      return 'has an RSA key with a public exponent that nobody should use';
    return undefined;
  }
  if (key.asymmetricKeyType === 'ec' && ['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve ?? ''))
    return undefined;
  return `has a key of type ${namedCurve ?? key.asymmetricKeyType}, and is to have ${wanted}`;
};

/** RSA (PKCS #1 v1.5) and ECDSA with SHA-2: RFC 4055 §5, RFC 5758 §3.2. What Envoy's BoringSSL verifies for sure. */
const GOOD_SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2',
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
]);
const WEAK_SIGNATURES: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.4': 'MD5',
  '1.2.840.113549.1.1.5': 'SHA-1',
  '1.2.840.10045.4.1': 'SHA-1',
};

/** What is wrong with how a certificate is signed, to be read behind its name. */
export const algorithmFault = ({ read: { signatureAlgorithms } }: Foreign): string | undefined => {
  const [inner, outer] = signatureAlgorithms;
  if (inner !== outer) return 'names two signature algorithms';
  const weak = WEAK_SIGNATURES[inner];
  if (weak !== undefined) return `is signed with ${weak}, which can be forged: sign it with SHA-256`;
  if (!GOOD_SIGNATURES.has(inner))
    return `is signed with the algorithm ${inner}: use RSA (PKCS #1 v1.5) or ECDSA with SHA-2`;
  return undefined;
};

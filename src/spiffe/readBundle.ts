import { X509Certificate } from 'node:crypto';
import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { type CertificateFields, readCertificate } from './readCertificate.ts';

/** A root of a trust bundle. */
export type Root = { readonly pem: string; readonly notAfter: Instant };

/** What a bundle holds. `sequence` grows with every change of it; absent where it does not say. */
export type Bundle = { readonly roots: readonly Root[]; readonly sequence: number | undefined };

/** A trust domain with more roots than this is no trust domain. */
const MOST_ROOTS = 64;
const PEM = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;

/**
 * The roots that a bundle holds, as PEM certificates or as a SPIFFE bundle (a JWK set,
 * https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE_Trust_Domain_and_Bundle.md#4-spiffe-bundle-format), or a
 * sentence that says what is wrong with it, without a word of its contents. That a root has expired is no fault.
 */
export const readBundle = (bytes: Uint8Array): Result<Bundle, string> => {
  const text = Buffer.from(bytes).toString('utf8').trim();
  const found = text.startsWith('{') ? fromJwks(text) : fromPem(text);
  if (!found.ok) return found;
  const { certificates, sequence } = found.value;
  if (certificates.length > MOST_ROOTS)
    return err(`holds ${certificates.length} certificates, and ${MOST_ROOTS} are the most`);
  const roots = new Map<string, Root>();
  for (const [index, encoded] of certificates.entries()) {
    const root = readRoot(encoded);
    if (!root.ok) return err(`holds a certificate (number ${index + 1}) that ${root.error}`);
    roots.set(root.value.pem, root.value);
  }
  return ok({ roots: [...roots.values()], sequence });
};

type Found = Pick<Bundle, 'sequence'> & { readonly certificates: readonly (string | Buffer)[] };

const fromPem = (text: string): Result<Found, string> => {
  const blocks = [...text.matchAll(PEM)];
  if (blocks.some(([, label]) => label?.includes('PRIVATE KEY')))
    return err('holds a private key, which belongs to nobody but its owner');
  const other = blocks.find(([, label]) => label !== 'CERTIFICATE');
  if (other !== undefined) return err(`holds a ${String(other[1]).slice(0, 40)}, and only certificates belong there`);
  if (blocks.length === 0) return err('holds neither PEM certificates nor a SPIFFE bundle');
  // A block that is cut off would be a root that is quietly missing.
  if (blocks.length !== text.split('-----BEGIN ').length - 1) return err('holds a certificate that is cut off');
  return ok({ certificates: blocks.map(([block]) => block), sequence: undefined });
};

const fromJwks = (text: string): Result<Found, string> => {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch {
    return err('is not JSON, although it begins like it');
  }
  const keys = fieldOf(set, 'keys');
  if (!Array.isArray(keys)) return err('is JSON, but no SPIFFE bundle: it has no list of keys');
  if (keys.some((key) => fieldOf(key, 'd') !== undefined))
    return err('holds a private key, which belongs to nobody but its owner');
  // Other uses (`jwt-svid`) and keys without a certificate are to be ignored: X509-SVID §6.2.
  const certificates = keys.flatMap((key) => {
    const x5c = fieldOf(key, 'use') === 'x509-svid' ? fieldOf(key, 'x5c') : undefined;
    return Array.isArray(x5c) && x5c.length > 0 ? [x5c] : [];
  });
  if (certificates.length === 0) return err('holds no key for X.509-SVIDs (use: x509-svid, with x5c)');
  // §6.1: exactly one. §6.2 would ignore the others, which somebody meant to be trusted.
  if (certificates.some((x5c) => x5c.length > 1)) return err('holds a key with more than one certificate in its x5c');
  const sequence = fieldOf(set, 'spiffe_sequence');
  // §4.1.1: a growing integer. One that cannot be compared would let an older bundle pass for a newer one.
  if (sequence !== undefined && (typeof sequence !== 'number' || !Number.isInteger(sequence) || sequence < 0))
    return err('has a spiffe_sequence that is no whole number');
  return ok({ certificates: certificates.map(([first]) => Buffer.from(String(first), 'base64')), sequence });
};

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined;

const readRoot = (encoded: string | Buffer): Result<Root, string> => {
  let x509: X509Certificate;
  let read: CertificateFields;
  try {
    x509 = new X509Certificate(encoded);
    read = readCertificate(x509.raw);
  } catch {
    return err('cannot be read');
  }
  // Neither is one whose key usage says that it signs no certificates.
  if (!x509.ca) return err('is no CA');
  // Envoy takes self-signed certificates alone as the end of a chain.
  if (!x509.checkIssued(x509) || !isSignedByItself(x509)) return err('is no root: it is not signed by itself');
  const body = x509.raw.toString('base64').match(/.{1,64}/g) ?? [];
  const pem = `${['-----BEGIN CERTIFICATE-----', ...body, '-----END CERTIFICATE-----'].join('\n')}\n`;
  return ok({ pem, notAfter: read.notAfter });
};

const isSignedByItself = (x509: X509Certificate): boolean => {
  try {
    return x509.verify(x509.publicKey);
  } catch {
    return false;
  }
};

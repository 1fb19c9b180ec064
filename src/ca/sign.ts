import { type KeyObject, randomFillSync, X509Certificate } from 'node:crypto';
import type { Duration, Instant } from '../lib/time.ts';
import { BIT_STRING, INTEGER, SEQUENCE, timeDer, tlv } from './der.ts';
import type { Signer } from './signer.ts';

/** What is to be signed. All parts but the serial and the times are DER. */
export type Template = {
  readonly serial: Buffer;
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly spki: Buffer;
  readonly extensions: readonly Buffer[];
};

const VERSION_3 = Buffer.from('a003020102', 'hex');
const NO_UNUSED_BITS = Buffer.from([0]);

/** How far a leaf's life begins in the past, for clocks that are a little behind. */
export const BACKDATE: Duration = 60_000;

/** Certificates count in whole seconds; rounding down never makes one outlive what it was given. */
export const wholeSeconds = (instant: Instant): Instant => Math.floor(instant / 1000) * 1000;

type Validity = Pick<Template, 'notBefore' | 'notAfter'> & { readonly der: Buffer };
let lastValidity: Validity | undefined;

/** All leaves of one second and one life have the same, so the last one is kept. */
const validityDer = (notBefore: Instant, notAfter: Instant): Buffer => {
  if (lastValidity?.notBefore !== notBefore || lastValidity.notAfter !== notAfter)
    lastValidity = { notBefore, notAfter, der: tlv(SEQUENCE, timeDer(notBefore), timeDer(notAfter)) };
  return lastValidity.der;
};

const pool = Buffer.alloc(4096);
let used = pool.length;

/** 16 random octets, positive and without a sign byte: 126 bits that nobody can guess (RFC 5280 §4.1.2.2). */
export const newSerial = (): Buffer => {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const serial = Buffer.from(pool.subarray(used, used + 16));
  used += 16;
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
};

/** The signed certificate as DER. It is not to leave the room before somebody has read it back. */
export const signCertificate = (template: Template, signer: Signer): Buffer => {
  const algorithm = signer.algorithm.der;
  const { serial, issuer, subject, notBefore, notAfter, spki, extensions } = template;
  const tbs = tlv(
    SEQUENCE,
    VERSION_3,
    tlv(INTEGER, serial),
    algorithm,
    issuer,
    validityDer(notBefore, notAfter),
    subject,
    spki,
    tlv(0xa3, tlv(SEQUENCE, ...extensions)),
  );
  return tlv(SEQUENCE, tbs, algorithm, tlv(BIT_STRING, NO_UNUSED_BITS, signer.sign(tbs)));
};

/** OpenSSL's reading of the bytes, which also holds the signature against the issuer's key. */
export const openSslReads = (der: Buffer, issuerKey: KeyObject): X509Certificate => {
  const certificate = new X509Certificate(der);
  if (!certificate.verify(issuerKey)) throw new Error('its signature does not verify');
  return certificate;
};

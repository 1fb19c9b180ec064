import { createPrivateKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { keepNewest } from '../lib/newest.ts';
import { reveal, secret } from '../lib/secret.ts';
import type { Instant } from '../lib/time.ts';
import { OID } from '../spiffe/oid.ts';
import { readCertificate, readUris } from '../spiffe/readCertificate.ts';
import { parseSpiffeId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';

const SCHEMA = 1;
const earlierSchema = z.strictObject({
  serial: z.string(),
  notAfter: z.number(),
  notBefore: z.number().exactOptional(),
  issuer: z.string().exactOptional(),
});
const recordSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  id: z.string(),
  chain: z.string(),
  key: z.string(),
  earlier: z.array(earlierSchema).default([]),
});

/** A certificate that was renewed since. It stays valid until it ends, and proves the same instance. */
export type Earlier = Pick<X509Svid, 'serial' | 'notAfter'> & {
  /** Absent in records of a Signet that did not keep them. */
  readonly notBefore?: Instant;
  /** Serial of the intermediate that signed it. */
  readonly issuer?: string;
};

/** What is kept of one instance: the newest certificate, and the serials of those before it that have not ended. */
export type SvidRecord = { readonly svid: X509Svid; readonly earlier: readonly Earlier[] };

/** The stored form. The private key leaves here, for the store whose files nobody else may read. */
export const writeSvid = ({ svid, earlier }: SvidRecord): Uint8Array =>
  Buffer.from(JSON.stringify({ schema: SCHEMA, id: svid.id, chain: svid.chainPem, key: reveal(svid.keyPem), earlier }));

/** The SVID of a record, its times and serial read from the certificate; `undefined` if anything in it does not agree. */
export const readSvid = (value: Uint8Array): SvidRecord | undefined => {
  try {
    const record = recordSchema.parse(JSON.parse(Buffer.from(value).toString('utf8')));
    const id = parseSpiffeId(record.id);
    const x509 = new X509Certificate(record.chain);
    const read = readCertificate(x509.raw);
    const uris = readUris(read.extensions.get(OID.subjectAltName)?.value ?? Buffer.alloc(0));
    if (id === undefined || uris.length !== 1 || uris[0] !== id) return undefined;
    if (!x509.checkPrivateKey(createPrivateKey(record.key))) return undefined;
    const { notBefore, notAfter } = read;
    const serial = read.serial.toString('hex');
    const svid = { id, chainPem: record.chain, keyPem: secret(record.key), serial, notBefore, notAfter };
    return Object.freeze({ svid: Object.freeze(svid), earlier: record.earlier });
  } catch {
    // A leaf can be had anew at any time, so a record that cannot be read is as good as none.
    return undefined;
  }
};

const issuers = new Map<string, string>();

/** Serial of the intermediate that a chain carries. Thousands of leaves carry the same one. */
export const issuerOf = ({ chainPem }: X509Svid): string => {
  const pem = chainPem.slice(chainPem.indexOf('-----END CERTIFICATE-----\n') + '-----END CERTIFICATE-----\n'.length);
  const known = issuers.get(pem);
  if (known !== undefined) return known;
  const serial = readCertificate(new X509Certificate(pem).raw).serial.toString('hex');
  keepNewest(issuers, pem, serial, 64);
  return serial;
};

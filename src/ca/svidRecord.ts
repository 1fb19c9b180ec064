import { createPrivateKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { reveal, secret } from '../lib/secret.ts';
import { OID } from '../spiffe/oid.ts';
import { readCertificate, readUris } from '../spiffe/readCertificate.ts';
import { parseSpiffeId } from '../spiffe/spiffeId.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { Issuers } from './facts.ts';

const SCHEMA = 1;
const issuersSchema = z.strictObject({ root: z.string(), intermediate: z.string() });
const earlierSchema = z.strictObject({
  serial: z.string(),
  notAfter: z.number(),
  issuers: issuersSchema.exactOptional(),
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
  /** The CAs above it, if that was recorded. */
  readonly issuers?: Issuers;
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

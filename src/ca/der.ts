import forge from 'node-forge';
import type { Instant } from '../lib/time.ts';

const { asn1 } = forge;
const UNIVERSAL = asn1.Class.UNIVERSAL;

/** One DER element: tag, length in its shortest form, contents (X.690 §8.1.3, §10.1). Fast: used for every leaf. */
export const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  let length = 0;
  for (const part of parts) length += part.length;
  let head: readonly number[];
  if (length < 0x80) head = [tag, length];
  else if (length < 0x100) head = [tag, 0x81, length];
  else head = [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), ...parts], head.length + length);
};

export const SEQUENCE = 0x30;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;

const digits = (n: number): string => `${n}`.padStart(2, '0');

/** UTCTime up to 2049 and GeneralizedTime from 2050 on, to the second (RFC 5280 §4.1.2.5). */
export const timeDer = (instant: Instant): Buffer => {
  const date = new Date(instant);
  const year = date.getUTCFullYear();
  const rest = `${[date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(digits).join('')}Z`;
  return year < 2050 ? tlv(0x17, Buffer.from(digits(year % 100) + rest)) : tlv(0x18, Buffer.from(`${year}${rest}`));
};

/** A forge tree as bytes: for what is built once per CA, where clarity counts more than speed. */
const encode = (tree: forge.asn1.Asn1): Buffer => Buffer.from(asn1.toDer(tree).getBytes(), 'binary');
const sequence = (children: forge.asn1.Asn1[]): forge.asn1.Asn1 =>
  asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, children);
const primitive = (type: forge.asn1.Type, bytes: string): forge.asn1.Asn1 => asn1.create(UNIVERSAL, type, false, bytes);
const oid = (dotted: string): forge.asn1.Asn1 => primitive(asn1.Type.OID, asn1.oidToDer(dotted).getBytes());

/** `O=Signet, CN=…`; both within X.520's upper bound of 64 characters. */
export const nameDer = (commonName: string): Buffer => {
  const attribute = (type: string, text: string) =>
    asn1.create(UNIVERSAL, asn1.Type.SET, true, [sequence([oid(type), primitive(asn1.Type.UTF8, text)])]);
  return encode(sequence([attribute('2.5.4.10', 'Signet'), attribute('2.5.4.3', commonName)]));
};

/** An empty name: a leaf says who it is by its URI alone. */
export const EMPTY_NAME = tlv(SEQUENCE);

/** One extension (RFC 5280 §4.2): `critical` is left out where it is false, as DER wants defaults. */
export const extensionDer = (dotted: string, critical: boolean, value: Uint8Array): Buffer => {
  const flag = critical ? [primitive(asn1.Type.BOOLEAN, '\xff')] : [];
  const bytes = primitive(asn1.Type.OCTETSTRING, Buffer.from(value).toString('binary'));
  return encode(sequence([oid(dotted), ...flag, bytes]));
};

/** The value of an extended key usage extension. */
export const oidSequenceDer = (dotted: readonly string[]): Buffer => encode(sequence(dotted.map(oid)));

/** Contents of a PEM block: base64 in lines of 64 characters (RFC 7468). */
export const pem = (label: string, der: Uint8Array): string => {
  const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let lines = '';
  for (let i = 0; i < text.length; i += 64) lines += `${text.slice(i, i + 64)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
};

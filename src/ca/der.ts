import type forge from 'node-forge';
// Only this part of it: the whole of node-forge takes ten times as long to load, and 2 MiB that are never used.
import asn1 from 'node-forge/lib/asn1.js';
import type { Instant } from '../lib/time.ts';

const UNIVERSAL = asn1.Class.UNIVERSAL;

/** One DER element: tag, length in its shortest form, contents (X.690 §8.1.3, §10.1). Written at once: used for every leaf. */
export const tlv = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  let length = 0;
  for (let i = 0; i < parts.length; i += 1) length += parts[i]?.length ?? 0;
  const head = length < 0x80 ? 2 : length < 0x100 ? 3 : 4;
  const der = Buffer.allocUnsafe(head + length);
  der[0] = tag;
  der[1] = head === 2 ? length : 0x7e + head;
  if (head === 4) der[2] = length >> 8;
  if (head > 2) der[head - 1] = length & 0xff;
  let at = head;
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i];
    if (part === undefined) continue;
    der.set(part, at);
    at += part.length;
  }
  return der;
};

export const SEQUENCE = 0x30;
export const INTEGER = 0x02;
export const BIT_STRING = 0x03;
export const OCTET_STRING = 0x04;

/** UTCTime up to 2049 and GeneralizedTime from 2050 on, to the second (RFC 5280 §4.1.2.5). Years 1950 to 9999. */
export const timeDer = (instant: Instant): Buffer => {
  const iso = new Date(instant).toISOString();
  const part = (at: number): string => iso.slice(at, at + 2);
  const text = `${iso.slice(0, 4)}${part(5)}${part(8)}${part(11)}${part(14)}${part(17)}Z`;
  return text < '2050' ? tlv(0x17, Buffer.from(text.slice(2), 'latin1')) : tlv(0x18, Buffer.from(text, 'latin1'));
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

const oids = new Map<string, Buffer>();
/** An OID as DER; there are about a dozen, each built once. */
const oidDer = (dotted: string): Buffer => {
  const known = oids.get(dotted);
  if (known !== undefined) return known;
  const made = encode(oid(dotted));
  oids.set(dotted, made);
  return made;
};

const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const NOTHING = Buffer.alloc(0);

/** One extension (RFC 5280 §4.2): `critical` is left out where it is false, as DER wants defaults. */
export const extensionDer = (dotted: string, critical: boolean, value: Uint8Array): Buffer =>
  tlv(SEQUENCE, oidDer(dotted), critical ? TRUE : NOTHING, tlv(OCTET_STRING, value));

/** The value of an extended key usage extension. */
export const oidSequenceDer = (dotted: readonly string[]): Buffer => tlv(SEQUENCE, ...dotted.map(oidDer));

/** The certificates of a chain, one PEM text each. */
export const splitChain = (chainPem: string): readonly string[] =>
  chainPem.split(/(?<=-----END CERTIFICATE-----\n)/).filter((part) => part !== '');

/** Contents of a PEM block: base64 in lines of 64 characters (RFC 7468). */
export const pem = (label: string, der: Uint8Array): string => {
  const text = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  let lines = '';
  for (let i = 0; i < text.length; i += 64) lines += `${text.slice(i, i + 64)}\n`;
  return `-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`;
};

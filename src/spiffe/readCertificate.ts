import type { Instant } from '../lib/time.ts';

/** What a certificate says, byte by byte. Read by this small strict parser and never by the code that wrote it. */
export type CertificateFields = {
  readonly serial: Buffer;
  readonly signatureAlgorithms: readonly [string, string];
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly times: readonly [number, number];
  readonly spki: Buffer;
  readonly extensions: ReadonlyMap<string, { readonly critical: boolean; readonly value: Buffer }>;
};

/** One element: `body` is its contents, which `head` octets of tag and length stand before. */
export type Element = { readonly tag: number; readonly body: Buffer; readonly head: number };

/** An element with its tag and length: few are asked for, so that no view is made of the others. */
export const wholeOf = ({ body, head }: Element): Buffer =>
  Buffer.from(body.buffer, body.byteOffset - head, head + body.length);

const bad = (what: string): never => {
  throw new Error(`not a DER certificate: ${what}`);
};

const readLength = (der: Buffer, at: number): { readonly length: number; readonly next: number } => {
  const first = der[at] ?? bad('cut off');
  if (first < 0x80) return { length: first, next: at + 1 };
  const count = first & 0x7f;
  if (count < 1 || count > 3 || at + 1 + count > der.length) bad('odd length');
  const length = der.readUIntBE(at + 1, count);
  if (length < 0x80 || length < 2 ** (8 * (count - 1))) bad('length is not in its shortest form');
  return { length, next: at + 1 + count };
};

/** The elements that stand one after the other in `der`, and nothing left over. */
export const readElements = (der: Buffer): readonly Element[] => {
  const elements: Element[] = [];
  let at = 0;
  while (at < der.length) {
    const { length, next } = readLength(der, at + 1);
    if (next + length > der.length) bad('cut off');
    elements.push({
      tag: der[at] ?? 0,
      body: der.subarray(next, next + length),
      head: next - at,
    });
    at = next + length;
  }
  return elements;
};

const inside = (element: Element | undefined, tag: number): readonly Element[] =>
  element?.tag === tag ? readElements(element.body) : bad(`tag ${element?.tag} instead of ${tag}`);

const bodyOf = (element: Element | undefined, tag: number): Buffer =>
  element?.tag === tag ? element.body : bad(`tag ${element?.tag} instead of ${tag}`);

/** Dotted form; every arc below 2^31. */
export const readOid = (body: Buffer): string => {
  let text = '';
  let arc = 0;
  // By index: every certificate that is issued has a dozen of them, and an iterator makes an object for each byte.
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] ?? 0;
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    text = text === '' ? firstArcs(arc) : `${text}.${arc}`;
    arc = 0;
  }
  return text === '' ? bad('empty OID') : text;
};

/** Two arcs share the first number (X.690 §8.19.4). */
const firstArcs = (number: number): string => {
  const root = Math.min(2, Math.floor(number / 40));
  return `${root}.${number - root * 40}`;
};

const readTime = (element: Element | undefined): Instant => {
  const text = element?.body.toString('latin1') ?? '';
  const match = (
    element?.tag === 0x17 ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/ : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/
  ).exec(text);
  if (match === null || (element?.tag !== 0x17 && element?.tag !== 0x18)) return bad('odd time');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const century = element.tag === 0x18 ? 0 : year < 50 ? 2000 : 1900;
  return Date.UTC(century + year, month - 1, day, hour, minute, second);
};

const readExtensions = (element: Element | undefined): CertificateFields['extensions'] => {
  const extensions = new Map<string, { readonly critical: boolean; readonly value: Buffer }>();
  for (const extension of inside(inside(element, 0xa3)[0], 0x30)) {
    const parts = inside(extension, 0x30);
    const id = readOid(bodyOf(parts[0], 0x06));
    const critical = parts.length === 3 && bodyOf(parts[1], 0x01)[0] === 0xff;
    if (extensions.has(id)) bad(`extension ${id} twice`);
    extensions.set(id, { critical, value: bodyOf(parts.at(-1), 0x04) });
  }
  return extensions;
};

/**
 * Reads one version 3 certificate (RFC 5280 §4.1). It checks form, not meaning, and no signature.
 * @throws Error if the bytes are anything else
 */
export const readCertificate = (der: Buffer): CertificateFields => {
  const outer = readElements(der);
  const [tbs, algorithm] = inside(outer[0], 0x30);
  const fields = inside(tbs, 0x30);
  const [version, serial, inner, issuer, validity, subject, spki, extensions] = fields;
  if (
    outer.length !== 1 ||
    fields.length !== 8 ||
    version === undefined ||
    wholeOf(version).toString('hex') !== 'a003020102'
  )
    bad('not version 3');
  const [notBefore, notAfter] = inside(validity, 0x30);
  return {
    serial: bodyOf(serial, 0x02),
    signatureAlgorithms: [
      readOid(bodyOf(inside(inner, 0x30)[0], 0x06)),
      readOid(bodyOf(inside(algorithm, 0x30)[0], 0x06)),
    ],
    issuer: issuer === undefined ? bad('no issuer') : wholeOf(issuer),
    subject: subject === undefined ? bad('no subject') : wholeOf(subject),
    notBefore: readTime(notBefore),
    notAfter: readTime(notAfter),
    times: [notBefore?.tag ?? 0, notAfter?.tag ?? 0],
    spki: spki === undefined ? bad('no key') : wholeOf(spki),
    extensions: readExtensions(extensions),
  };
};

/** A serial as text: lower-case hex, without the octet of zeros that keeps a number positive. */
export const serialText = (serial: Buffer): string =>
  (serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial).toString('hex');

/** All URIs of a subjectAltName value; anything else in it is a fault. */
export const readUris = (value: Buffer): readonly string[] =>
  inside(readElements(value)[0], 0x30).map((name) => bodyOf(name, 0x86).toString('latin1'));

import type { Instant } from '../lib/time.ts';
import { bad, contentsAt, countBetween, endAt, insideAt, oidBetween, timeAt } from './derAt.ts';

/** What a certificate says, byte by byte. Read by this small strict parser and never by the code that wrote it. */
export type CertificateFields = {
  readonly serial: Buffer;
  readonly signatureAlgorithms: readonly [string, string];
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly spki: Buffer;
  readonly extensions: ReadonlyMap<string, { readonly critical: boolean; readonly value: Buffer }>;
};

/** One element: `body` is its contents, which `head` octets of tag and length stand before. */
export type Element = { readonly tag: number; readonly body: Buffer; readonly head: number };

/** An element with its tag and length: few are asked for, so that no view is made of the others. */
export const wholeOf = ({ body, head }: Element): Buffer =>
  Buffer.from(body.buffer, body.byteOffset - head, head + body.length);

/** The elements that stand one after the other in `der`, and nothing left over. */
export const readElements = (der: Buffer): readonly Element[] => {
  const elements: Element[] = [];
  for (let at = 0; at < der.length; ) {
    const end = endAt(der, at, der.length);
    const from = contentsAt(der, at);
    elements.push({ tag: der[at] ?? 0, body: der.subarray(from, end), head: from - at });
    at = end;
  }
  return elements;
};

const inside = (element: Element | undefined, tag: number): readonly Element[] =>
  element?.tag === tag ? readElements(element.body) : bad(`tag ${element?.tag} instead of ${tag}`);

const bodyOf = (element: Element | undefined, tag: number): Buffer =>
  element?.tag === tag ? element.body : bad(`tag ${element?.tag} instead of ${tag}`);

/** Dotted form; every arc below 2^31. */
export const readOid = (body: Buffer): string => oidBetween(body, 0, body.length);

const SEQUENCE = 0x30;

/** Where each element of a certificate begins; each ends where the next one begins. */
export type CertificateLayout = {
  readonly tbs: number;
  readonly serial: number;
  readonly innerAlgorithm: number;
  readonly issuer: number;
  readonly validity: number;
  readonly notAfter: number;
  readonly subject: number;
  readonly spki: number;
  readonly extensions: number;
  readonly algorithm: number;
  readonly signature: number;
  readonly end: number;
};

/** Finds the parts of one version 3 certificate (RFC 5280 §4.1). @throws Error if the bytes are anything else */
export const layoutOf = (der: Buffer): CertificateLayout => {
  const end = der.length;
  if (endAt(der, 0, end) !== end) bad('more than one element');
  const tbs = insideAt(der, 0, SEQUENCE);
  const algorithm = endAt(der, tbs, end);
  const signature = endAt(der, algorithm, end);
  if (endAt(der, signature, end) !== end) bad('not three parts');
  const version = insideAt(der, tbs, SEQUENCE);
  const serial = endAt(der, version, algorithm);
  if (serial - version !== 5 || der.readUIntBE(version, 5) !== 0xa003020102) bad('not version 3');
  const innerAlgorithm = endAt(der, serial, algorithm);
  const issuer = endAt(der, innerAlgorithm, algorithm);
  const validity = endAt(der, issuer, algorithm);
  const subject = endAt(der, validity, algorithm);
  const spki = endAt(der, subject, algorithm);
  const extensions = endAt(der, spki, algorithm);
  if (endAt(der, extensions, algorithm) !== algorithm) bad('not version 3');
  const notAfter = endAt(der, insideAt(der, validity, SEQUENCE), subject);
  if (endAt(der, notAfter, subject) !== subject) bad('not two times');
  return {
    tbs,
    serial,
    innerAlgorithm,
    issuer,
    validity,
    notAfter,
    subject,
    spki,
    extensions,
    algorithm,
    signature,
    end,
  };
};

/** One extension; its value fills `from` to `to`. */
export type ExtensionAt = {
  readonly oid: string;
  readonly critical: boolean;
  readonly from: number;
  readonly to: number;
};

const extensionAt = (der: Buffer, at: number, end: number): ExtensionAt => {
  const id = insideAt(der, at, SEQUENCE);
  let value = endAt(der, id, end);
  const oid = oidBetween(der, insideAt(der, id, 0x06), value);
  let to = endAt(der, value, end);
  let critical = false;
  if (to < end) {
    const flag = insideAt(der, value, 0x01);
    critical = flag < to && der[flag] === 0xff;
    value = to;
    to = endAt(der, value, end);
  }
  return to === end
    ? { oid, critical, from: insideAt(der, value, 0x04), to }
    : bad(`extension ${oid} of too many parts`);
};

/** The extension of this OID, if there is one. */
export const extensionOf = (extensions: readonly ExtensionAt[], oid: string): ExtensionAt | undefined => {
  for (let i = 0; i < extensions.length; i += 1) if (extensions[i]?.oid === oid) return extensions[i];
  return undefined;
};

/** All extensions, none of them twice. */
export const extensionsIn = (
  der: Buffer,
  { extensions, algorithm: end }: CertificateLayout,
): readonly ExtensionAt[] => {
  const list = insideAt(der, extensions, 0xa3);
  if (endAt(der, list, end) !== end) bad('more than one list of extensions');
  const found: ExtensionAt[] = [];
  for (let at = insideAt(der, list, SEQUENCE); at < end; ) {
    const next = endAt(der, at, end);
    const extension = extensionAt(der, at, next);
    if (extensionOf(found, extension.oid) !== undefined) bad(`extension ${extension.oid} twice`);
    found.push(extension);
    at = next;
  }
  return found;
};

const algorithmAt = (der: Buffer, at: number, end: number): string => {
  const oid = insideAt(der, at, SEQUENCE);
  return countBetween(der, oid, end) > 0
    ? oidBetween(der, insideAt(der, oid, 0x06), endAt(der, oid, end))
    : bad('no algorithm');
};

/**
 * Reads one version 3 certificate (RFC 5280 §4.1). It checks form, not meaning, and no signature.
 * @throws Error if the bytes are anything else
 */
export const readCertificate = (der: Buffer): CertificateFields => {
  const at = layoutOf(der);
  const notBefore = insideAt(der, at.validity, SEQUENCE);
  const extensions = new Map<string, { readonly critical: boolean; readonly value: Buffer }>();
  for (const { oid, critical, from, to } of extensionsIn(der, at))
    extensions.set(oid, { critical, value: der.subarray(from, to) });
  return {
    serial: der.subarray(insideAt(der, at.serial, 0x02), at.innerAlgorithm),
    signatureAlgorithms: [algorithmAt(der, at.innerAlgorithm, at.issuer), algorithmAt(der, at.algorithm, at.signature)],
    issuer: der.subarray(at.issuer, at.validity),
    subject: der.subarray(at.subject, at.spki),
    notBefore: timeAt(der, notBefore, at.notAfter),
    notAfter: timeAt(der, at.notAfter, at.subject),
    spki: der.subarray(at.spki, at.extensions),
    extensions,
  };
};

/** A serial as text: lower-case hex, without the octet of zeros that keeps a number positive. */
export const serialText = (serial: Buffer): string =>
  (serial.length > 1 && serial[0] === 0 ? serial.subarray(1) : serial).toString('hex');

/** All URIs of a subjectAltName value; anything else in it is a fault. */
export const readUris = (value: Buffer): readonly string[] => {
  const [names, more] = readElements(value);
  if (more !== undefined) bad('more than one list of names');
  return inside(names, 0x30).map((name) => bodyOf(name, 0x86).toString('latin1'));
};

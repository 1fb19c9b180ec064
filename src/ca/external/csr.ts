import { createPrivateKey, createPublicKey, verify } from 'node:crypto';
import type { Curve } from '../../features/certificates/spec.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import { OID } from '../../spiffe/oid.ts';
import { type Element, readElements, readOid, wholeOf } from '../../spiffe/readCertificate.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import { BIT_STRING, INTEGER, oidSequenceDer, pem, SEQUENCE, tlv } from '../der.ts';
import type { NewKey, PublicPart } from '../keys.ts';
import { localSigner } from '../signer.ts';

const VERSION_1 = tlv(INTEGER, Buffer.from([0]));
const NO_UNUSED_BITS = Buffer.from([0]);
const SET = 0x31;
const ATTRIBUTES = 0xa0;

/** A PKCS#10 request (RFC 2986) with these extensions asked for, signed by the key that it is for. PEM. */
export const makeCsr = (key: NewKey, subject: Buffer, extensions: readonly Buffer[]): string => {
  const signer = localSigner(createPrivateKey(key.privatePem));
  const [type] = readElements(readElements(oidSequenceDer([OID.extensionRequest]))[0]?.body ?? NO_UNUSED_BITS);
  const asked = tlv(
    SEQUENCE,
    type === undefined ? NO_UNUSED_BITS : wholeOf(type),
    tlv(SET, tlv(SEQUENCE, ...extensions)),
  );
  const info = tlv(SEQUENCE, VERSION_1, subject, key.spki, tlv(ATTRIBUTES, asked));
  const signed = tlv(SEQUENCE, info, signer.algorithm.der, tlv(BIT_STRING, NO_UNUSED_BITS, signer.sign(info)));
  return pem('CERTIFICATE REQUEST', signed);
};

/** What a request asks for. Its signature verified: who sent it holds the key. */
export type Csr = {
  readonly key: PublicPart;
  readonly subject: Buffer;
  /** URIs of its subjectAltName. */
  readonly uris: readonly string[];
  readonly isCa: boolean;
};

const MOST_BYTES = 16 * 1024;
const EMPTY = Buffer.alloc(0);
const CURVES: Readonly<Record<string, { readonly curve: Curve; readonly bytes: number }>> = {
  [OID.p256]: { curve: 'P-256', bytes: 66 },
  [OID.p384]: { curve: 'P-384', bytes: 98 },
};
const DIGESTS: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'sha256',
  '1.2.840.10045.4.3.3': 'sha384',
  '1.2.840.10045.4.3.4': 'sha512',
};

const bad = (what: string): never => {
  throw new Error(what);
};
const inside = (element: Element | undefined, tag: number): readonly Element[] =>
  element?.tag === tag ? readElements(element.body) : bad('it is no PKCS#10 request');

const keyOf = (spki: Element | undefined): PublicPart => {
  const [algorithm, bits] = inside(spki, SEQUENCE);
  const [type, named] = inside(algorithm, SEQUENCE);
  const found = CURVES[named?.tag === 0x06 ? readOid(named.body) : ''];
  if (type === undefined || readOid(type.body) !== OID.ecPublicKey || found === undefined)
    return bad('its key is of another type than EC on P-256 or P-384');
  // A compressed or odd point is not what OpenSSL, BoringSSL and Go all read.
  if (bits?.tag !== BIT_STRING || bits.body.length !== found.bytes || bits.body[1] !== 4)
    return bad('its key is not an uncompressed point of its curve');
  return { curve: found.curve, spki: spki === undefined ? EMPTY : wholeOf(spki), point: bits.body.subarray(1) };
};

type Asked = Pick<Csr, 'uris' | 'isCa'>;

const KEY_CERT_OR_CRL_SIGN = 0x06;

const readName = ({ tag, body }: Element): string =>
  tag === 0x86 ? body.toString('latin1') : bad('it asks for a name that is no URI, and identities are URIs alone');

/** What is asked for; an extension that nobody would grant is a refusal, not something to be dropped silently. */
const readAsked = (extensions: readonly Element[]): Asked => {
  const seen = new Set<string>();
  let asked: Asked = { uris: [], isCa: false };
  for (const extension of extensions) {
    const parts = inside(extension, SEQUENCE);
    const oid = readOid(parts[0]?.body ?? EMPTY);
    const value = parts.at(-1)?.body ?? EMPTY;
    if (seen.has(oid)) bad(`it asks for the extension ${oid} twice`);
    seen.add(oid);
    if (oid === OID.subjectAltName) asked = { ...asked, uris: inside(readElements(value)[0], SEQUENCE).map(readName) };
    else if (oid === OID.basicConstraints)
      asked = {
        ...asked,
        isCa: asked.isCa || inside(readElements(value)[0], SEQUENCE).some(({ tag }) => tag === 0x01),
      };
    else if (oid === OID.keyUsage) {
      const signs = ((readElements(value)[0]?.body[1] ?? 0) & KEY_CERT_OR_CRL_SIGN) !== 0;
      asked = { ...asked, isCa: asked.isCa || signs };
    } else if (oid !== OID.extKeyUsage && oid !== OID.subjectKeyIdentifier)
      bad(`it asks for the extension ${oid}, which nobody is given`);
  }
  return asked;
};

const askedFor = (attributes: Element | undefined): Asked => {
  const all = attributes === undefined ? [] : inside(attributes, ATTRIBUTES);
  const asked = all.map((attribute) => inside(attribute, SEQUENCE));
  const requests = asked.filter(([type]) => readOid(type?.body ?? EMPTY) === OID.extensionRequest);
  if (requests.length > 1) bad('it asks for extensions twice');
  const [, set] = requests[0] ?? [];
  return set === undefined ? { uris: [], isCa: false } : readAsked(inside(inside(set, SET)[0], SEQUENCE));
};

const readDer = (der: Buffer): Csr => {
  const outer = readElements(der);
  const [info, algorithm, bits] = inside(outer[0], SEQUENCE);
  const [version, subject, spki, attributes, ...more] = inside(info, SEQUENCE);
  if (info === undefined || version === undefined || subject === undefined) return bad('it is no PKCS#10 request');
  if (outer.length !== 1 || more.length > 0 || !wholeOf(version).equals(VERSION_1)) bad('it is no PKCS#10 request');
  const key = keyOf(spki);
  const digest = DIGESTS[readOid(inside(algorithm, SEQUENCE)[0]?.body ?? EMPTY)];
  if (digest === undefined) return bad('it is signed with another algorithm than ECDSA with SHA-2');
  const publicKey = createPublicKey({ key: key.spki, type: 'spki', format: 'der' });
  if (bits?.tag !== BIT_STRING || !verify(digest, wholeOf(info), publicKey, bits.body.subarray(1)))
    return bad('its signature does not verify: whoever made it does not hold the key');
  return { key, subject: wholeOf(subject), ...askedFor(attributes) };
};

/** Reads a request and proves that who made it holds the key; or says in a sentence why not. */
export const readCsr = (text: string): Result<Csr, string> => {
  if (text.length > MOST_BYTES) return err(`it is larger than ${MOST_BYTES / 1024} KiB`);
  const found =
    /^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----([A-Za-z0-9+/=\s]+)-----END \1?CERTIFICATE REQUEST-----\s*$/.exec(
      text,
    );
  if (found === null) return err('it is not one PEM block of a CERTIFICATE REQUEST');
  try {
    return ok(readDer(Buffer.from(found[2] ?? '', 'base64')));
  } catch (thrown) {
    const words = thrown instanceof Error ? thrown.message : '';
    return err(/^(it|its) /.test(words) ? words : 'it is no PKCS#10 request');
  }
};

/** The key of a request for a workload's leaf, if it asks for that identity or for nothing; else why not. */
export const leafCsrKey = (text: string, id: SpiffeId): Result<PublicPart, string> => {
  const read = readCsr(text);
  if (!read.ok) return read;
  const { uris, isCa, key } = read.value;
  if (isCa) return err('it asks for a CA certificate');
  if (uris.length > 1 || (uris[0] ?? id) !== id)
    return err('it asks for another identity than the one that it was made for');
  return ok(key);
};

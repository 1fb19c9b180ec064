import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import {
  BIT_STRING,
  extensionDer,
  INTEGER,
  nameDer,
  OCTET_STRING,
  oidSequenceDer,
  pem,
  SEQUENCE,
  timeDer,
  tlv,
} from '../../src/ca/der.ts';
import { newSerial } from '../../src/ca/sign.ts';
import { OID } from '../../src/spiffe/oid.ts';
import { readElements, wholeOf } from '../../src/spiffe/readCertificate.ts';

/** A CA of somebody's enterprise, made without a line of what Signet signs with, and able to make every mistake. */
export type Party = { readonly subject: Buffer; readonly key: KeyObject; readonly spki: Buffer; readonly pem: string };

export type Shape = {
  readonly name?: string;
  readonly subject?: Buffer;
  readonly key?: KeyObject;
  readonly spki?: Buffer;
  readonly serial?: Buffer;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly ca?: boolean | undefined;
  readonly pathLength?: number;
  /** Bits of keyUsage in its first octet; `undefined` leaves it out. */
  readonly keyUsage?: number | undefined;
  readonly purposes?: readonly string[];
  readonly uris?: readonly string[];
  readonly names?: readonly Buffer[];
  readonly authorityKey?: Buffer;
  readonly more?: readonly Buffer[];
  readonly digest?: 'sha1' | 'sha256' | 'sha384' | 'sha512';
};

export const KEYS = {
  ec: (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey,
  rsa: (modulusLength: number): KeyObject => generateKeyPairSync('rsa', { modulusLength }).privateKey,
  ed25519: (): KeyObject => generateKeyPairSync('ed25519').privateKey,
};

const spkiOf = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });
const sha1 = (bytes: Buffer): Buffer => createHash('sha1').update(bytes).digest();
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

const ALGORITHMS: Readonly<Record<string, Buffer>> = {
  'ec sha1': hex('300906072a8648ce3d0401'),
  'ec sha256': hex('300a06082a8648ce3d040302'),
  'ec sha384': hex('300a06082a8648ce3d040303'),
  'ec sha512': hex('300a06082a8648ce3d040304'),
  'rsa sha1': hex('300d06092a864886f70d0101050500'),
  'rsa sha256': hex('300d06092a864886f70d01010b0500'),
  'rsa sha384': hex('300d06092a864886f70d01010c0500'),
  'rsa sha512': hex('300d06092a864886f70d01010d0500'),
  ed25519: hex('300506032b6570'),
};

const extensions = (shape: Shape, spki: Buffer, issuerSpki: Buffer): readonly Buffer[] => {
  const { ca = true, pathLength, purposes, uris = [], names = [], more = [] } = shape;
  const keyUsage = 'keyUsage' in shape ? shape.keyUsage : ca ? 0x06 : 0x80;
  const constraints = ca
    ? [hex('0101ff'), ...(pathLength === undefined ? [] : [hex(`0201${pathLength.toString(16).padStart(2, '0')}`)])]
    : [];
  const all = [...uris.map((uri) => tlv(0x86, Buffer.from(uri))), ...names];
  return [
    ...('ca' in shape && shape.ca === undefined
      ? []
      : [extensionDer(OID.basicConstraints, true, tlv(SEQUENCE, ...constraints))]),
    ...(keyUsage === undefined ? [] : [extensionDer(OID.keyUsage, true, Buffer.from([0x03, 0x02, 0x00, keyUsage]))]),
    ...(purposes === undefined ? [] : [extensionDer(OID.extKeyUsage, false, oidSequenceDer(purposes))]),
    extensionDer(OID.subjectKeyIdentifier, false, tlv(OCTET_STRING, sha1(spki))),
    extensionDer(OID.authorityKeyIdentifier, false, tlv(SEQUENCE, tlv(0x80, shape.authorityKey ?? sha1(issuerSpki)))),
    ...(all.length === 0 ? [] : [extensionDer(OID.subjectAltName, false, tlv(SEQUENCE, ...all))]),
    ...more,
  ];
};

/** A certificate of this shape, signed by `issuer` or by itself. */
export const certify = (shape: Shape, issuer?: Party): Party => {
  const key = shape.key ?? KEYS.ec('prime256v1');
  const spki = shape.spki ?? spkiOf(key);
  const subject = shape.subject ?? nameDer(shape.name ?? 'Corp Root');
  const signer = issuer?.key ?? key;
  const digest = shape.digest ?? 'sha256';
  const isEd = signer.asymmetricKeyType === 'ed25519';
  const algorithm = ALGORITHMS[isEd ? 'ed25519' : `${signer.asymmetricKeyType} ${digest}`] ?? Buffer.alloc(0);
  const now = Date.now();
  const tbs = tlv(
    SEQUENCE,
    hex('a003020102'),
    tlv(INTEGER, shape.serial ?? newSerial()),
    algorithm,
    issuer?.subject ?? subject,
    tlv(SEQUENCE, timeDer(shape.notBefore ?? now - 3_600_000), timeDer(shape.notAfter ?? now + 365 * 86_400_000)),
    subject,
    spki,
    tlv(0xa3, tlv(SEQUENCE, ...extensions(shape, spki, issuer?.spki ?? spki))),
  );
  const signature = sign(isEd ? null : digest, tbs, signer);
  const der = tlv(SEQUENCE, tbs, algorithm, tlv(BIT_STRING, Buffer.from([0]), signature));
  return { subject, key, spki, pem: pem('CERTIFICATE', der) };
};

/** Subject and key of a PKCS#10 request, as a CA reads them; its extensions are the CA's to decide. */
export const requested = (csrPem: string): { readonly subject: Buffer; readonly spki: Buffer } => {
  const der = Buffer.from(csrPem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const [info] = readElements(readElements(der)[0]?.body ?? der);
  const [, subject, spki] = readElements(info?.body ?? der);
  return { subject: subject === undefined ? der : wholeOf(subject), spki: spki === undefined ? der : wholeOf(spki) };
};

/** A root, and an issuing intermediate below it for this request. */
export const signIntermediate = (csrPem: string, issuer: Party, shape: Shape = {}): Party =>
  certify({ ...requested(csrPem), pathLength: 0, ...shape }, issuer);

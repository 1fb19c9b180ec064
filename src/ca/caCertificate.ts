import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Curve } from '../features/certificates/spec.ts';
import { invariant } from '../lib/errors.ts';
import { reveal, type Secret, secret } from '../lib/secret.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { OID } from '../spiffe/oid.ts';
import { type CertificateFields, readCertificate, readUris, serialText } from '../spiffe/readCertificate.ts';
import { type TrustDomain, trustDomainId } from '../spiffe/spiffeId.ts';
import { nameDer, pem } from './der.ts';
import type { CertificateFacts } from './facts.ts';
import { newKey } from './keys.ts';
import { authorityKeyExtension, caExtensions, keyIdentifier, subjectKeyExtension, uriExtension } from './profile.ts';
import { newSerial, openSslReads, signCertificate, wholeSeconds } from './sign.ts';
import { localSigner, type SignatureAlgorithm, type Signer, signatureAlgorithm } from './signer.ts';

/** A CA certificate, read: what issuing from it needs. */
export type CaCertificate = {
  /** For sentences, for example `the mesh root 5f1c…`. */
  readonly name: string;
  /** Which its URI names; `undefined` where it was signed elsewhere and names none. */
  readonly trustDomain: TrustDomain | undefined;
  readonly pem: string;
  /** The same as DER. */
  readonly raw: Buffer;
  /** DER. */
  readonly subject: Buffer;
  readonly identifier: Buffer;
  /** Key identifier of its issuer. */
  readonly issuedBy: Buffer;
  /** The extension that its leaves carry. */
  readonly authorityKey: Buffer;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
  readonly publicKey: KeyObject;
  /** What it signs with; `undefined` for one whose key is elsewhere and of a kind that Signet does not sign with. */
  readonly signature: SignatureAlgorithm | undefined;
  /** CAs between it and its root, PEM, its issuer first: none, but for what was signed elsewhere. */
  readonly above: readonly string[];
  readonly facts: CertificateFacts;
};

/** A CA with its key. */
export type CaKeyPair = { readonly certificate: CaCertificate; readonly signer: Signer; readonly keyPem: Secret };

/** The three kinds of CA; `pathLength` is how many CAs may stand below. */
export const CA_KINDS = {
  root: { title: 'mesh root', pathLength: 1 },
  intermediate: { title: 'mesh intermediate', pathLength: 0 },
  channel: { title: 'channel CA', pathLength: 0 },
} as const;
export type CaKind = keyof typeof CA_KINDS;

/** Reads a CA certificate that is to be trusted. @throws Error naming what is wrong, without its contents */
export const readCa = (kind: CaKind, certificatePem: string, names: readonly TrustDomain[]): CaCertificate => {
  const x509 = new X509Certificate(certificatePem);
  const read = readCertificate(x509.raw);
  const uri = read.extensions.get(OID.subjectAltName);
  const uris = uri === undefined ? [] : readUris(uri.value);
  const usage = read.extensions.get(OID.basicConstraints)?.value;
  if (!x509.ca || usage?.at(-1) !== CA_KINDS[kind].pathLength)
    throw new Error('it is not the right kind of CA certificate');
  const trustDomain = names.find((name) => uris.length === 1 && uris[0] === trustDomainId(name));
  if (trustDomain === undefined) throw new Error('it names another trust domain');
  const identifier = read.extensions.get(OID.subjectKeyIdentifier)?.value.subarray(2);
  const issuedBy = read.extensions.get(OID.authorityKeyIdentifier)?.value.subarray(4);
  if (identifier === undefined || issuedBy === undefined) throw new Error('it has no key identifiers');
  return Object.freeze({
    ...statedIn(kind, x509, read),
    trustDomain,
    identifier,
    issuedBy,
    authorityKey: authorityKeyExtension(identifier),
    signature: signatureAlgorithm(x509.publicKey),
    above: [],
  });
};

/** What any CA certificate says of itself; `notBefore` and `notAfter` may be narrower than its own. */
export const statedIn = (
  kind: CaKind,
  x509: X509Certificate,
  {
    subject,
    serial: bytes,
    notBefore,
    notAfter,
  }: Pick<CertificateFields, 'subject' | 'serial' | 'notBefore' | 'notAfter'>,
) => {
  const serial = serialText(bytes);
  return {
    name: `the ${CA_KINDS[kind].title} ${serial.slice(0, 8)}`,
    pem: pem('CERTIFICATE', x509.raw),
    raw: x509.raw,
    subject,
    notBefore,
    notAfter,
    publicKey: x509.publicKey,
    facts: Object.freeze({
      subject: x509.subject.split('\n').join(', '),
      serial,
      notBefore,
      notAfter,
      fingerprint: x509.fingerprint256.replaceAll(':', '').toLowerCase(),
    }),
  };
};

/** Holds the certificate against its issuer's key and against its own. @throws Error */
export const readCaKeyPair = (
  kind: CaKind,
  stored: { readonly certificate: string; readonly key: Secret },
  names: readonly TrustDomain[],
  issuer?: CaCertificate,
): CaKeyPair => {
  const certificate = readCa(kind, stored.certificate, names);
  openSslReads(certificate.raw, (issuer ?? certificate).publicKey);
  return withKey(certificate, stored.key);
};

/** A certificate with its key. @throws Error if it is another one's, or no key */
export const withKey = (certificate: CaCertificate, keyPem: Secret): CaKeyPair => {
  const key = createPrivateKey(reveal(keyPem));
  if (!new X509Certificate(certificate.raw).checkPrivateKey(key))
    throw new Error('its key is not the one of its certificate');
  return Object.freeze({ certificate, signer: localSigner(key), keyPem });
};

/** How far a CA's life begins in the past: a clock that is set back a little must not stop a new mesh. */
const CA_BACKDATE: Duration = 3_600_000;

/** A new CA with a new key, signed by `issuer` or by itself, and read back. It never outlives its issuer. */
export const makeCa = (
  kind: CaKind,
  request: {
    readonly trustDomain: TrustDomain;
    readonly life: Duration;
    readonly now: Instant;
    readonly curve: Curve;
    readonly issuer?: CaKeyPair;
  },
): CaKeyPair => {
  const { trustDomain, life, now, issuer } = request;
  const key = newKey(request.curve);
  const serial = newSerial();
  const subject = nameDer(`Signet ${CA_KINDS[kind].title} ${serial.toString('hex', 0, 4)}`);
  const identifier = keyIdentifier(key.point);
  const above = issuer?.certificate;
  const notBefore = Math.max(wholeSeconds(now - CA_BACKDATE), above?.notBefore ?? Number.NEGATIVE_INFINITY);
  const notAfter = Math.min(wholeSeconds(now + life), above?.notAfter ?? Number.POSITIVE_INFINITY);
  invariant(notAfter > now, 'a new CA has some life before it');
  const der = signCertificate(
    {
      serial,
      issuer: above?.subject ?? subject,
      subject,
      notBefore,
      notAfter,
      spki: key.spki,
      extensions: [
        caExtensions(CA_KINDS[kind].pathLength),
        subjectKeyExtension(identifier),
        above?.authorityKey ?? authorityKeyExtension(identifier),
        uriExtension(trustDomainId(trustDomain), false),
      ],
    },
    issuer?.signer ?? localSigner(createPrivateKey(key.privatePem)),
  );
  return readCaKeyPair(
    kind,
    { certificate: pem('CERTIFICATE', der), key: secret(key.privatePem) },
    [trustDomain],
    above,
  );
};

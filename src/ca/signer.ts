import { type KeyObject, sign } from 'node:crypto';
import { AppError } from '../lib/errors.ts';
import { OID } from '../spiffe/oid.ts';

/** How a CA signs. */
export type SignatureAlgorithm = {
  readonly oid: string;
  readonly digest: 'sha256' | 'sha384' | 'sha512';
  /** AlgorithmIdentifier, DER. */
  readonly der: Buffer;
};

/** ECDSA with the digest that is as strong as the curve (RFC 5480 §4, RFC 5758 §3.2); no parameters. */
const ecdsa = (digest: SignatureAlgorithm['digest'], oid: string, last: number): SignatureAlgorithm => ({
  oid,
  digest,
  der: Buffer.from([0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, last]),
});

/** sha256WithRSAEncryption, parameters NULL (RFC 4055 §5): of CAs that are others', for Signet makes EC keys alone. */
const RSA_SHA256: SignatureAlgorithm = {
  oid: '1.2.840.113549.1.1.11',
  digest: 'sha256',
  der: Buffer.from('300d06092a864886f70d01010b0500', 'hex'),
};

const BY_CURVE: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['prime256v1', ecdsa('sha256', OID.ecdsaWithSha256, 2)],
  ['secp384r1', ecdsa('sha384', OID.ecdsaWithSha384, 3)],
  ['secp521r1', ecdsa('sha512', OID.ecdsaWithSha512, 4)],
]);

/** What a key of a CA signs with. @throws AppError `ca_key` if it is of no kind that Signet signs with */
export const signatureAlgorithm = (key: KeyObject): SignatureAlgorithm => {
  if (key.asymmetricKeyType === 'rsa') return RSA_SHA256;
  const found = BY_CURVE.get(key.asymmetricKeyDetails?.namedCurve ?? '');
  if (found === undefined)
    throw new AppError('ca_key', 'the key of a CA is to be RSA, or EC on P-256, P-384 or P-521, and this one is not');
  return found;
};

/** Whoever signs for a CA. A local key is one KeyObject, reused, because parsing it from PEM each time is 15 times slower. */
export type Signer = {
  readonly algorithm: SignatureAlgorithm;
  /** The signature over these bytes; DER of the ECDSA-Sig-Value for an EC key. */
  readonly sign: (tbs: Uint8Array) => Buffer;
};

/** @throws AppError `ca_key` */
export const localSigner = (key: KeyObject): Signer => {
  const algorithm = signatureAlgorithm(key);
  return Object.freeze({ algorithm, sign: (tbs: Uint8Array): Buffer => sign(algorithm.digest, tbs, key) });
};

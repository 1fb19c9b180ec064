import type { Curve } from '../features/certificates/spec.ts';
import { AppError } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';
import { type Secret, secret } from '../lib/secret.ts';
import { type Duration, type Instant, iso } from '../lib/time.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { CaCertificate, CaKeyPair } from './caCertificate.ts';
import { validateLeaf } from './checkLeaf.ts';
import { EMPTY_NAME, pem } from './der.ts';
import { leafCsrKey } from './external/csr.ts';
import { newKey, type PublicPart } from './keys.ts';
import { keyIdentifier, type LeafUse, leafExtensions, subjectKeyExtension, uriExtension } from './profile.ts';
import { BACKDATE, newSerial, signCertificate, type Template, wholeSeconds } from './sign.ts';

/** A leaf; the chain is the caller's to complete. */
export type LeafCertificate = {
  readonly certificatePem: string;
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
};
export type Leaf = LeafCertificate & { readonly keyPem: Secret };

export type LeafRequest = {
  readonly id: SpiffeId;
  readonly use: LeafUse;
  readonly ttl: Duration;
  readonly now: Instant;
};

const EXTENSIONS: Readonly<Record<LeafUse, Buffer>> = {
  workload: leafExtensions('workload'),
  server: leafExtensions('server'),
};

const validityOf = (issuer: CaCertificate, ttl: Duration, now: Instant): { notBefore: Instant; notAfter: Instant } => {
  if (now >= issuer.notAfter) {
    throw new AppError(
      'issuer_expired',
      `${issuer.name} expired at ${iso(issuer.notAfter)} and the clock says ${iso(now)}: nothing can be issued`,
    );
  }
  if (now < issuer.notBefore) {
    throw new AppError(
      'clock',
      `${issuer.name} begins at ${iso(issuer.notBefore)} and the clock says ${iso(now)}: set the clock right`,
    );
  }
  const notBefore = Math.max(wholeSeconds(now - BACKDATE), issuer.notBefore);
  return { notBefore, notAfter: Math.min(wholeSeconds(now + ttl), issuer.notAfter) };
};

/** One leaf in so many has its signature verified. */
const VERIFIED = 16;

/** Issues leaves from one CA. */
export type LeafIssuer = {
  /**
   * A certificate for a given public key: begins 60 s ago but never before its issuer, ends after `ttl` but never after
   * its issuer.
   * @throws AppError `issuer_expired`, `clock` or `profile_violation`
   */
  readonly certify: (request: LeafRequest, key: PublicPart) => LeafCertificate;
  /** The same for a new key. */
  readonly issue: (request: LeafRequest, curve: Curve) => Leaf;
};

/**
 * Every leaf is read back by the own strict reader. The signature is verified on the first leaf after the key was loaded,
 * which shows a wrong key, and then on one in 16: a local key that signed rightly once signs rightly always, but memory
 * can fail, and verifying each leaf costs more than making it. After a failure each leaf is verified until one is right.
 */
export const leafIssuer = ({ certificate: issuer, signer }: CaKeyPair): LeafIssuer => {
  let issued = 0;
  const certify: LeafIssuer['certify'] = ({ id, use, ttl, now }, key) => {
    const { notBefore, notAfter } = validityOf(issuer, ttl, now);
    // Named one by one, here and below: objects that are made by spreading are slow to make and to read.
    const template: Template = {
      serial: newSerial(),
      issuer: issuer.subject,
      subject: EMPTY_NAME,
      notBefore,
      notAfter,
      spki: key.spki,
      extensions: [
        EXTENSIONS[use],
        subjectKeyExtension(keyIdentifier(key.point)),
        issuer.authorityKey,
        uriExtension(id, true),
      ],
    };
    const der = signCertificate(template, signer);
    validateLeaf(der, { template, id, use, key, issuer, verifies: issued % VERIFIED === 0 });
    issued += 1;
    return { certificatePem: pem('CERTIFICATE', der), serial: template.serial.toString('hex'), notBefore, notAfter };
  };
  return Object.freeze({
    certify,
    issue: (request: LeafRequest, curve: Curve): Leaf => {
      const key = newKey(curve);
      const { certificatePem, serial, notBefore, notAfter } = certify(request, key);
      return { certificatePem, serial, notBefore, notAfter, keyPem: secret(key.privatePem) };
    },
  });
};

/**
 * A leaf for a PKCS#10 request (PEM), of this identity and no other, or why not. Of what the request asks for only its key
 * is taken: the profile is Signet's own.
 * @throws AppError as `certify`
 */
export const certifyCsr = (
  issuer: LeafIssuer,
  csrPem: string,
  request: LeafRequest,
): Result<LeafCertificate, string> => {
  const key = leafCsrKey(csrPem, request.id);
  return key.ok ? { ok: true, value: issuer.certify(request, key.value) } : key;
};

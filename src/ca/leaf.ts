import type { KeyObject } from 'node:crypto';
import { AppError } from '../lib/errors.ts';
import { type Secret, secret } from '../lib/secret.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { CaCertificate } from './caCertificate.ts';
import { validateLeaf } from './checkLeaf.ts';
import { EMPTY_NAME, pem } from './der.ts';
import { newKey } from './keys.ts';
import { keyIdentifier, type LeafUse, leafExtensions, subjectKeyExtension, uriExtension } from './profile.ts';
import { BACKDATE, newSerial, signCertificate, type Template, wholeSeconds } from './sign.ts';

/** A leaf with its key; the chain is the caller's to complete. */
export type Leaf = {
  readonly certificatePem: string;
  readonly keyPem: Secret;
  readonly serial: string;
  readonly notBefore: Instant;
  readonly notAfter: Instant;
};

const EXTENSIONS: Readonly<Record<LeafUse, Buffer>> = {
  workload: leafExtensions('workload'),
  server: leafExtensions('server'),
};

const validityOf = (issuer: CaCertificate, ttl: Duration, now: Instant): { notBefore: Instant; notAfter: Instant } => {
  const span = (from: Instant): string => new Date(from).toISOString();
  if (now >= issuer.notAfter) {
    throw new AppError(
      'issuer_expired',
      `${issuer.name} expired at ${span(issuer.notAfter)} and the clock says ${span(now)}: nothing can be issued`,
    );
  }
  if (now < issuer.notBefore) {
    throw new AppError(
      'clock',
      `${issuer.name} begins at ${span(issuer.notBefore)} and the clock says ${span(now)}: set the clock right`,
    );
  }
  const notBefore = Math.max(wholeSeconds(now - BACKDATE), issuer.notBefore);
  return { notBefore, notAfter: Math.min(wholeSeconds(now + ttl), issuer.notAfter) };
};

/**
 * A new P-256 key and a certificate for it: begins 60 s ago but never before its issuer, ends after `ttl` but never
 * after its issuer.
 * @throws AppError `issuer_expired`, `clock` or `profile_violation`
 */
export const issueLeaf = (
  issuer: CaCertificate,
  signer: KeyObject,
  request: { readonly id: SpiffeId; readonly use: LeafUse; readonly ttl: Duration; readonly now: Instant },
): Leaf => {
  const { id, use, ttl, now } = request;
  const key = newKey();
  const template: Template = {
    ...validityOf(issuer, ttl, now),
    serial: newSerial(),
    issuer: issuer.subject,
    subject: EMPTY_NAME,
    spki: key.spki,
    extensions: [
      EXTENSIONS[use],
      subjectKeyExtension(keyIdentifier(key.point)),
      issuer.authorityKey,
      uriExtension(id, true),
    ],
  };
  const der = signCertificate(template, signer);
  validateLeaf(der, { template, id, use, point: key.point, issuer });
  return {
    certificatePem: pem('CERTIFICATE', der),
    keyPem: secret(key.privatePem),
    serial: template.serial.toString('hex'),
    notBefore: template.notBefore,
    notAfter: template.notAfter,
  };
};

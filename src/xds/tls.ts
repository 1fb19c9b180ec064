import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { AppError } from '../lib/errors.ts';
import { reveal, type Secret } from '../lib/secret.ts';

/** The channel certificate (leaf first) and its key. */
export type ServerTls = { readonly chainPem: string; readonly keyPem: Secret };

/**
 * Server credentials for TLS 1.3 and nothing older. `ServerCredentials.createSsl` has no way to say so: what Node's
 * `tls.createSecureContext` takes is passed through the constructor of the class instead.
 */
export class Tls13Credentials extends ServerCredentials {
  constructor(tls: ServerTls) {
    const options = secureContext(tls);
    super({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' }, options);
  }

  /** New connections are shown this certificate; those that stand keep theirs. */
  renew(tls: ServerTls): void {
    this.updateSecureContextOptions(secureContext(tls));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

const secureContext = (tls: ServerTls): SecureContextOptions => {
  const options: SecureContextOptions = {
    cert: tls.chainPem,
    key: reveal(tls.keyPem),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    throw new AppError('tls_invalid', 'the certificate or key for the xDS listener is not usable', { cause });
  }
  return options;
};

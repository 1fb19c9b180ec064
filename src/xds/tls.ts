import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { AppError } from '../lib/errors.ts';
import { reveal, type Secret } from '../lib/secret.ts';

/** The channel certificate (leaf first) and its key, and who may vouch for clients. */
export type ServerTls = {
  readonly chainPem: string;
  readonly keyPem: Secret;
  /** What is shown instead to clients that ask for it by a server name. */
  readonly named?: ReadonlyMap<string, { readonly chainPem: string; readonly keyPem: Secret }>;
  /** Roots of client certificates, PEM. Without it none is asked for; whether there is one is fixed at the start. */
  readonly clientAnchorsPem?: readonly string[];
};

/**
 * Server credentials for TLS 1.3 and nothing older. `ServerCredentials.createSsl` has no way to say so: what Node's
 * `tls.createSecureContext` takes is passed through the constructor of the class instead.
 */
export class Tls13Credentials extends ServerCredentials {
  readonly #byName: ByName;

  constructor(tls: ServerTls) {
    const options = secureContext(tls);
    const byName: ByName = { contexts: contextsByName(tls) };
    // Asked for and not demanded, which `createSsl` cannot say: a client may have a token instead. What it shows is worth
    // what `getAuthContext` says of it, see connection.ts.
    const asks = tls.clientAnchorsPem === undefined ? {} : { requestCert: true, rejectUnauthorized: false };
    super({ minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ...asks, SNICallback: contextFor(byName) }, options);
    this.#byName = byName;
  }

  /** New connections are shown this certificate, and theirs held against these roots; those that stand keep what they have. */
  renew(tls: ServerTls): void {
    const options = secureContext(tls);
    this.#byName.contexts = contextsByName(tls);
    this.updateSecureContextOptions(options);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

type ByName = { contexts: ReadonlyMap<string, SecureContext> };

const contextsByName = (tls: ServerTls): ReadonlyMap<string, SecureContext> =>
  new Map(
    [...(tls.named ?? [])].map(([name, shown]) => [name, createSecureContext(secureContext({ ...tls, ...shown }))]),
  );

/** The certificate that a client asks for by its server name; for any other name the one for everybody. */
const contextFor =
  (byName: ByName) =>
  (name: string, answer: (error: Error | null, context?: SecureContext) => void): void =>
    answer(null, byName.contexts.get(name));

const secureContext = (tls: ServerTls): SecureContextOptions => {
  const options: SecureContextOptions = {
    cert: tls.chainPem,
    key: reveal(tls.keyPem),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // A resumed session stands for a certificate that nobody held against today's roots.
    secureOptions: constants.SSL_OP_NO_TICKET,
    ...(tls.clientAnchorsPem === undefined ? {} : { ca: [...tls.clientAnchorsPem] }),
  };
  try {
    createSecureContext(options);
  } catch (cause) {
    throw new AppError('tls_invalid', 'the certificate or key for the xDS listener is not usable', { cause });
  }
  return options;
};

import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
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

/** What a server of TLS 1.3, and nothing older, shows and asks for. */
export type Tls13 = {
  /** For `tls.createServer`. */
  readonly options: TlsOptions;
  /** New connections are shown this certificate, and theirs held against these roots; those that stand keep what they have. */
  readonly renew: (tls: ServerTls) => void;
  /** Calls `then` with what is to be the server's from now on, each time. */
  readonly onRenewed: (then: (options: SecureContextOptions) => void) => void;
};

/** @throws AppError `tls_invalid` */
export const newTls13 = (tls: ServerTls): Tls13 => {
  const byName: ByName = { contexts: contextsByName(tls) };
  let renewed: (options: SecureContextOptions) => void = () => {};
  // Asked for and not demanded: a client may have a token instead. What it shows is worth what connection.ts says of it.
  const asks = tls.clientAnchorsPem === undefined ? {} : { requestCert: true, rejectUnauthorized: false };
  return {
    options: { ...secureContext(tls), ...asks, ALPNProtocols: ['h2'], SNICallback: contextFor(byName) },
    renew: (fresh) => {
      const options = secureContext(fresh);
      byName.contexts = contextsByName(fresh);
      renewed(options);
    },
    onRenewed: (then) => {
      renewed = then;
    },
  };
};

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

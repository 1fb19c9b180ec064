import { X509Certificate } from 'node:crypto';

/** One name for each anchor of the channel in a PEM text, in its order: 16 hex digits of its SHA-256. */
export const anchorNames = (pem: string): readonly string[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((one) =>
    new X509Certificate(one).fingerprint256.replaceAll(':', '').toLowerCase().slice(0, 16),
  );

/**
 * The TLS server name by which a sidecar says which anchor it would like Signet's certificate to be of. Whoever says none,
 * or one that signs no more, is shown a certificate of the oldest anchor that is left.
 */
export const serverNameOf = (anchorName: string): string => `anchor-${anchorName}.signet.internal`;

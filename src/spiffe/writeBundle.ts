import { X509Certificate } from 'node:crypto';

/** How often somebody who trusts this bundle should look at it again: a new root is trusted by all before it signs. */
const REFRESH_SECONDS = 300;

/**
 * PEM certificates of roots as a SPIFFE bundle. `sequence` grows with every change of them.
 * https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#61-publishing-spiffe-bundle-elements
 */
export const spiffeBundle = (authorities: readonly string[], sequence: number): object => ({
  spiffe_sequence: sequence,
  spiffe_refresh_hint: REFRESH_SECONDS,
  keys: authorities.map((authority) => {
    const { publicKey, raw } = new X509Certificate(authority);
    return { use: 'x509-svid', ...publicKey.export({ format: 'jwk' }), x5c: [raw.toString('base64')] };
  }),
});

import { createPrivateKey } from 'node:crypto';

/** How a private key in PEM could stand in some bytes: as text, DER or bare number, and each of them in hex and base64. */
export const keySpellings = (pem: string): readonly Buffer[] => {
  const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' });
  // RFC 5958 around RFC 5915: the secret number of a P-256 key stands behind 36 bytes of names and lengths.
  const number = der.subarray(36, 68);
  const raw = [Buffer.from(pem), der, number];
  const lines = pem.split('\n').filter((line) => line.length > 16 && !line.startsWith('-----'));
  const written = raw.flatMap((bytes) => [
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    // Without the ends, which depend on what stands beside them.
    ...[0, 1, 2].map((shift) =>
      bytes
        .subarray(shift, shift + 30)
        .toString('base64')
        .slice(0, 40),
    ),
    ...[0, 1, 2].map((shift) =>
      bytes
        .subarray(shift, shift + 30)
        .toString('base64url')
        .slice(0, 40),
    ),
  ]);
  // That of all keys: what DER and PEM begin with.
  const common = /^(MIGHAgEAMBMGByqGSM49|LS0tLS1CRUdJTiBQUklW)/;
  return [...raw, ...[...lines, ...written].filter((text) => !common.test(text)).map((text) => Buffer.from(text))];
};

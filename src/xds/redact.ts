/*
 * Envoy quotes what it refuses, whole. A private key may stand there as PEM, with real or escaped line ends, or as the base64 of
 * that (`inline_bytes` in JSON); a join token as the metadata of the bootstrap.
 */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN[^-]*PRIVATE KEY-----[\s\S]*?(?:-----END[^-]*-----|$)/g, '[redacted]'],
  // "-----BEGIN" in base64. It may be a certificate: nobody misses it here.
  [/LS0tLS1CRUdJTi[\w+/=-]*/g, '[redacted]'],
  [/(signet_[0-9a-f]{16}_)[\w-]{43}/g, '$1[redacted]'],
  [/\b(Bearer\s+)(?!signet_)[^\s"',;]+/gi, '$1[redacted]'],
];

/** These words without keys and tokens, at most `length` characters. */
export const redact = (words: string, length: number): string => {
  // Every key that begins within the length is cut out, at a cost that does not follow what a client sends.
  const start = words.slice(0, 16 * length);
  return SECRETS.reduce((text, [secret, instead]) => text.replace(secret, instead), start)
    .trim()
    .slice(0, length);
};

import { isIP } from 'node:net';

/** Names of namespaces, services, identities and ports: DNS labels (RFC 1123 §2.1), at most 63 bytes. */
export const isName = (text: string): boolean => text.length <= 63 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);

/** An IP address or a DNS name. */
export const isAddress = (text: string): boolean =>
  isIP(text) !== 0 ||
  (text.length <= 253 &&
    !/^[0-9.]+$/.test(text) &&
    text.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]*[a-z0-9])?$/i.test(label) && label.length <= 63));

/** A TCP port that can be listened on and called. */
export const isPortNumber = (value: number): boolean => Number.isInteger(value) && value >= 1 && value <= 65_535;

/** The number in a text of digits without a leading zero. */
export const toPortNumber = (text: string): number | undefined => {
  const value = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : Number.NaN;
  return isPortNumber(value) ? value : undefined;
};

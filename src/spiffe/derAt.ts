import type { Instant } from '../lib/time.ts';
import { OID } from './oid.ts';

/*
 * DER read strictly, by offsets into the bytes. Every certificate that is issued is read back, and an object and a view for
 * each of its sixty elements cost more than all that is compared. Shares nothing with the code that writes.
 */

/** @throws Error, always */
export const bad = (what: string): never => {
  throw new Error(`not a DER certificate: ${what}`);
};

/** Where the element at `at` ends: not behind `limit`, its length in the shortest form (X.690 §10.1). */
export const endAt = (der: Buffer, at: number, limit: number): number => {
  const head = at + 2;
  if (head > limit) bad('cut off');
  const first = der[at + 1] ?? 0;
  let end = head + first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count < 1 || count > 3 || head + count > limit) bad('odd length');
    const length = der.readUIntBE(head, count);
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) bad('length is not in its shortest form');
    end = head + count + length;
  }
  return end > limit ? bad('cut off') : end;
};

/** Where the contents of the element at `at` begin, which `endAt` has found whole. */
export const contentsAt = (der: Buffer, at: number): number => {
  const first = der[at + 1] ?? 0;
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f);
};

/** The same, of an element that must have this tag. */
export const insideAt = (der: Buffer, at: number, tag: number): number =>
  der[at] === tag ? contentsAt(der, at) : bad(`tag ${der[at]} instead of ${tag}`);

/** How many elements fill `from` to `to`, and nothing left over. */
export const countBetween = (der: Buffer, from: number, to: number): number => {
  let count = 0;
  for (let at = from; at < to; at = endAt(der, at, to)) count += 1;
  return count;
};

/** Dotted form; every arc below 2^31, whole and in its shortest form (X.690 §8.19.2): one OID has one spelling. */
const spell = (der: Buffer, from: number, to: number): string => {
  if (((der[to - 1] ?? 0) & 0x80) !== 0) bad('cut off OID');
  let text = '';
  let arc = 0;
  for (let at = from; at < to; at += 1) {
    const byte = der[at] ?? 0;
    if (arc === 0 && byte === 0x80) bad('padded OID');
    arc = arc * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    text = text === '' ? firstArcs(arc) : `${text}.${arc}`;
    arc = 0;
  }
  return text === '' ? bad('empty OID') : text;
};

/** Two arcs share the first number (X.690 §8.19.4). */
const firstArcs = (number: number): string => {
  const root = Math.min(2, Math.floor(number / 40));
  return `${root}.${number - root * 40}`;
};

// Only those that are asked about: what a stranger's certificate holds besides is not kept.
const KNOWN: ReadonlySet<string> = new Set(Object.values(OID));
const spelled = new Map<number, { readonly bytes: Buffer; readonly text: string }>();

const isAt = (der: Buffer, from: number, bytes: Buffer): boolean => {
  for (let at = 0; at < bytes.length; at += 1) if (der[from + at] !== bytes[at]) return false;
  return true;
};

/** The OID whose contents fill `from` to `to`, in dotted form. Found by a sum of its bytes: a dozen are read of each leaf. */
export const oidBetween = (der: Buffer, from: number, to: number): string => {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum = (sum * 31 + (der[at] ?? 0)) | 0;
  const known = spelled.get(sum);
  if (known?.bytes.length === to - from && isAt(der, from, known.bytes)) return known.text;
  const text = spell(der, from, to);
  if (KNOWN.has(text)) spelled.set(sum, { bytes: Buffer.from(der.subarray(from, to)), text });
  return text;
};

const twoDigits = (der: Buffer, at: number): number => {
  const tens = (der[at] ?? 0) - 0x30;
  const ones = (der[at + 1] ?? 0) - 0x30;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : bad('odd time');
};

export const UTC_TIME = 0x17;
export const GENERALIZED_TIME = 0x18;
const Z = 0x5a;

/** The time at `at`, which ends at `end`: to the second and in UTC (RFC 5280 §4.1.2.5). */
export const timeAt = (der: Buffer, at: number, end: number): Instant => {
  const from = contentsAt(der, at);
  const isLong = der[at] === GENERALIZED_TIME;
  if ((!isLong && der[at] !== UTC_TIME) || end - from !== (isLong ? 15 : 13) || der[end - 1] !== Z) bad('odd time');
  const short = twoDigits(der, end - 13);
  const century = isLong ? twoDigits(der, from) * 100 : short < 50 ? 2000 : 1900;
  return Date.UTC(
    century + short,
    twoDigits(der, end - 11) - 1,
    twoDigits(der, end - 9),
    twoDigits(der, end - 7),
    twoDigits(der, end - 5),
    twoDigits(der, end - 3),
  );
};

import { err, ok, type Result } from '../lib/result.ts';
import type { Code } from './catalogue.ts';

/** A problem of the text itself, by offset. */
export type TextProblem = {
  readonly code: Code;
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
};

/** A mesh of 1,000 services is about 300 KB. */
export const MAX_BYTES = 4 * 1024 * 1024;

/** The text of a file: UTF-8, without a byte order mark, of a bounded size. */
export const decodeText = (bytes: Uint8Array | string): Result<string, TextProblem> => {
  const size = typeof bytes === 'string' ? bytes.length : bytes.byteLength;
  if (size > MAX_BYTES)
    return err({ code: 'SIG0105', offset: 0, message: `the file has ${size} bytes, more than ${MAX_BYTES}` });
  let text: string;
  try {
    text = typeof bytes === 'string' ? bytes : new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return err({ code: 'SIG0101', offset: 0, message: 'the file is not UTF-8', hint: 'save it as UTF-8' });
  }
  if (text.startsWith('\ufeff'))
    return err({
      code: 'SIG0102',
      offset: 0,
      message: 'the file begins with a byte order mark',
      hint: 'save it as UTF-8 without BOM',
    });
  return ok(text);
};

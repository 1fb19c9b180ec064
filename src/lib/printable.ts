/**
 * Somebody else's words as one harmless line: a sidecar's refusal, or a name in a file, must not move the cursor of
 * who reads it, nor add a row to a table. Control characters (C0, DEL, C1) and those that reorder text show as `\u{1b}`; line breaks are a space.
 */
export const printable = (text: string): string =>
  text
    .replace(/\s*[\r\n\u2028\u2029]+\s*/g, ' ')
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

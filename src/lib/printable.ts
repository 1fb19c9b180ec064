/**
 * Somebody else's words as one harmless line: a sidecar's refusal, or a name in a file, must not move the cursor of who
 * reads it, nor add a row to a table. Line breaks become a space; control characters (C0, DEL, C1) and those that reorder
 * text are shown as `\u{1b}`.
 */
export const printable = (text: string): string =>
  text
    .replace(/[\r\n\u2028\u2029]+\s*/g, ' ')
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);

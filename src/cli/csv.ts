/** Rows under their headings as RFC 4180 has them: lines end in CRLF, and what holds a comma, a quote or a line is quoted. https://www.rfc-editor.org/rfc/rfc4180 */
export const csv = (headings: readonly string[], rows: readonly (readonly string[])[]): string =>
  [headings, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');

const field = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

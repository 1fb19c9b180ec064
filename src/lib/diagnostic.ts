import { printable } from './printable.ts';

/** A place in a file that the operator wrote. Lines and columns count from 1. */
export type Location = { readonly file: string; readonly line: number; readonly column: number };

/** The operator's mistake: returned, never thrown, and always all of them. */
export type Diagnostic = {
  /** `SIG0xxx`, from the one catalogue in `docs/diagnostics.md`; never reused. */
  readonly code: `SIG0${string}`;
  readonly severity: 'error' | 'warning';
  /** One sentence: what is wrong. */
  readonly message: string;
  /** Dotted path in the document, for example `namespaces.prod.services.web.ports[0]`. */
  readonly path: string;
  readonly location: Location;
  /** What would be right. */
  readonly hint?: string;
};

export const isSamePlace = (a: Location, b: Location): boolean =>
  a === b || (a.file === b.file && a.line === b.line && a.column === b.column);

/** `file:line`, the form in which verdicts and NACK reports name a rule. */
export const showLocation = (l: Location): string => `${l.file}:${l.line}`;

/** `file:line:column CODE message (hint)`, the line that `signet validate` prints. */
export const showDiagnostic = (d: Diagnostic): string => {
  const { file, line, column } = d.location;
  const kind = d.severity === 'warning' ? 'warning: ' : '';
  // It quotes the file, which may be somebody else's.
  return printable(
    `${file}:${line}:${column} ${d.code} ${kind}${d.message}${d.hint === undefined ? '' : ` (${d.hint})`}`,
  );
};

import { type Diagnostic, type Location, showLocation } from '../lib/diagnostic.ts';
import type { Code } from './catalogue.ts';

/** Where a value of the document stands. Offsets count UTF-16 units of the text. */
export type Place = {
  readonly parent: Place | undefined;
  readonly name: string | number | undefined;
  /** Where its key begins; a list item has none. */
  readonly keyAt: number | undefined;
  readonly valueAt: number;
  /** The value came from the environment: text that may be meant as a number or a boolean. */
  readonly fromEnv: boolean;
  /** By key, or by index as text. */
  readonly children: ReadonlyMap<string, Place>;
};

/** `namespaces.prod.services.web.ports[0]` */
export const pathOf = (place: Place): string => {
  if (place.parent === undefined) return '';
  const parent = pathOf(place.parent);
  if (typeof place.name === 'number') return `${parent}[${place.name}]`;
  return parent === '' ? String(place.name) : `${parent}.${place.name}`;
};

/** The place at the end of these keys, or of as many of them as there are. */
export const descend = (place: Place, ...names: readonly (string | number)[]): Place => {
  let at = place;
  for (const name of names) at = at.children.get(String(name)) ?? at;
  return at;
};

/** Turns offsets into lines and columns of one text. */
export const locator = (file: string, text: string): ((offset: number) => Location) => {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return Object.freeze({ file, line: low + 1, column: offset - (starts[low] ?? 0) + 1 });
  };
};

/** One problem at a place: at its key where the key is wrong, else at its value. */
export type Finding = {
  readonly code: Code;
  readonly place: Place;
  readonly at?: 'key' | 'value';
  readonly severity?: Diagnostic['severity'];
  readonly message: string;
  readonly hint?: string | undefined;
  /** What stands twice stood here first: a double is told with both lines. */
  readonly first?: Place | undefined;
};

/** Takes problems; all of them are reported. */
export type Report = (finding: Finding) => void;

export const keyOffset = (place: Place): number => place.keyAt ?? place.valueAt;

/** The diagnostic of a finding. */
export const diagnose = (finding: Finding, locate: (offset: number) => Location): Diagnostic => {
  const { first } = finding;
  const double = first === undefined ? undefined : `the first is at ${showLocation(locate(keyOffset(first)))}`;
  const hint = finding.hint ?? double;
  return {
    code: finding.code,
    severity: finding.severity ?? 'error',
    message: finding.message,
    path: pathOf(finding.place),
    location: locate(finding.at === 'key' ? keyOffset(finding.place) : finding.place.valueAt),
    ...(hint === undefined ? {} : { hint }),
  };
};

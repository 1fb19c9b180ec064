import { printable } from '../../lib/printable.ts';
import { type Instant, iso } from '../../lib/time.ts';
import type { HealthFacts } from './facts.ts';

/** Headings of the report, in the order in which they are shown. */
export type Group = 'control plane' | 'mesh file' | 'sidecars' | 'endpoints' | 'certificates' | 'exceptions';

/** `warning` needs somebody's eyes; `failure` means that the mesh is not as mesh.yaml wants it, or soon will not be. */
export type Level = 'ok' | 'warning' | 'failure';

/** One line of `signet check`. */
export type Finding = {
  /** `CHK0xxx`, explained in `docs/check.md`; never reused. */
  readonly code: string;
  readonly group: Group;
  readonly level: Level;
  /** One sentence: what is. */
  readonly message: string;
  /** What to do; `null` where there is nothing to do. */
  readonly action: string | null;
  /** It will most likely be another line soon: worth waiting for. */
  readonly pending: boolean;
};

/** What `signet check -o json` prints. */
export type HealthReport = {
  readonly at: string;
  /** No finding is a failure. */
  readonly healthy: boolean;
  /** Some finding is worth waiting for. */
  readonly pending: boolean;
  readonly findings: readonly Finding[];
};

/** What a check says, before its code stands in front. */
export type Line = Omit<Finding, 'code' | 'group'>;

/** One thing that is looked at: pure, over what is known now. It says one line at least, a good one where all is well. */
export type Check = {
  readonly code: `CHK0${string}`;
  readonly group: Group;
  /** As `docs/check.md` lists it. */
  readonly about: string;
  readonly look: (facts: HealthFacts) => readonly Line[];
};

export const fine = (message: string): Line => ({ level: 'ok', message, action: null, pending: false });
export const warning = (message: string, action: string): Line => ({
  level: 'warning',
  message,
  action,
  pending: false,
});
export const failure = (message: string, action: string): Line => ({
  level: 'failure',
  message,
  action,
  pending: false,
});
export const pending = (message: string, action: string): Line => ({ ...warning(message, action), pending: true });

/** These lines, or the good one if there is none. */
export const orFine = (lines: readonly Line[], message: string): readonly Line[] =>
  lines.length > 0 ? lines : [fine(message)];

/** A line under its code. Words of others (a sidecar's refusal, a file's name) become one harmless line here. */
export const finding = ({ code, group }: Pick<Check, 'code' | 'group'>, line: Line): Finding => ({
  code,
  group,
  level: line.level,
  message: printable(line.message),
  action: line.action === null ? null : printable(line.action),
  pending: line.pending,
});

export const reportOf = (at: Instant, findings: readonly Finding[]): HealthReport => ({
  at: iso(at),
  healthy: findings.every(({ level }) => level !== 'failure'),
  pending: findings.some((found) => found.pending),
  findings,
});

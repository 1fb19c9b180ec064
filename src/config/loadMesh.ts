import type { Diagnostic } from '../lib/diagnostic.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';
import { buildMesh } from './build.ts';
import type { Code } from './catalogue.ts';
import { CHECKS } from './checks/all.ts';
import { type Converted, convert } from './convert.ts';
import { type Decoded, decode } from './decode.ts';
import type { Env } from './env.ts';
import { type Outline, outline } from './outline.ts';
import { parseYaml } from './parse.ts';
import { diagnose, type Finding, locator, type Place, type Report } from './places.ts';
import { decodeText, type TextProblem } from './text.ts';
import { type Beside, NOTHING_BESIDE } from './trust.ts';

export type LoadOptions = {
  /** What `${NAME}` in values refers to; a name that is missing here is an error. */
  readonly env?: Env;
  /** Warns of what has passed; without it nothing is said. It never changes the mesh. */
  readonly now?: Instant;
  /** Reads the files that this one names; without it there are none. */
  readonly beside?: Beside;
};

export type Loaded = { readonly mesh: Mesh; readonly warnings: readonly Diagnostic[] };

/**
 * The mesh that a file's bytes say, or every problem with them, in the order of the lines. Pure; never throws on input.
 * `file` is the name that locations carry.
 */
export const loadMesh = (
  file: string,
  bytes: Uint8Array | string,
  { env = {}, now, beside = NOTHING_BESIDE }: LoadOptions = {},
): Result<Loaded, readonly Diagnostic[]> => {
  const text = decodeText(bytes);
  if (!text.ok) return err([textDiagnostic(text.error, locator(file, ''))]);
  const locate = locator(file, text.value);
  const { document, problems } = parseYaml(text.value);
  const fromText = problems.map((problem) => textDiagnostic(problem, locate));
  // Broken YAML is not looked into: what it seems to say may not be what was meant.
  if (document === undefined || problems.length > 0)
    return err(fromText.length > 0 ? fromText : [textDiagnostic(EMPTY, locate)]);
  const findings: Finding[] = [];
  const reading = read(document.contents, { env, now, beside }, (finding) => findings.push(finding));
  if (document.directives?.docStart === true && hasDirective(text.value))
    findings.push({ code: 'SIG0113', place: ROOT, message: 'a YAML directive is not allowed' });
  const diagnostics = sorted(findings.map((finding) => diagnose(finding, locate)));
  if (reading === undefined || diagnostics.some(({ severity }) => severity === 'error')) return err(diagnostics);
  return ok(Object.freeze({ mesh: buildMesh(reading, locate), warnings: Object.freeze(diagnostics) }));
};

const SAYS_NOTHING: ReadonlySet<Code> = new Set(['SIG0210', 'SIG0320', 'SIG0501']);
const ROOT: Place = {
  parent: undefined,
  name: undefined,
  keyAt: undefined,
  valueAt: 0,
  fromEnv: false,
  children: new Map(),
};
const EMPTY: TextProblem = { code: 'SIG0107', offset: 0, message: 'the file is empty', hint: 'it begins with mesh:' };

const hasDirective = (text: string): boolean => /^%/m.test(text.slice(0, text.search(/^---/m)));

type Around = Pick<Outline, 'now' | 'beside'> & { readonly env: Env };

const read = (contents: unknown, around: Around, report: Report): Outline | undefined => {
  // What YAML or the environment made of a value is reported once; that it then fits nowhere follows from it.
  const blamed = new Set<Place>();
  const converted = convert(contents, around.env, (finding) => {
    blamed.add(finding.place);
    report(finding);
  });
  const fresh: Report = (finding) => {
    if (finding.at === 'key' || !blamed.has(finding.place)) report(finding);
  };
  return interpret(converted, around, fresh);
};

const interpret = (converted: Converted, around: Around, report: Report): Outline | undefined => {
  const { data, place } = converted;
  if (data === null || typeof data !== 'object' || Array.isArray(data)) {
    report({ code: 'SIG0107', place, message: 'the file is no map', hint: 'it begins with mesh:' });
    return undefined;
  }
  const decoded: Decoded | undefined = decode(converted, report);
  if (decoded === undefined) return undefined;
  const reading = outline(decoded, around);
  // A map that lost its unknown keys is not empty: its writer said something.
  const others: Report = (finding) => {
    if (!SAYS_NOTHING.has(finding.code) || !decoded.incomplete.has(finding.place)) report(finding);
  };
  for (const check of CHECKS) check(reading, others);
  return reading;
};

const textDiagnostic = (
  { code, offset, message, hint }: TextProblem,
  locate: ReturnType<typeof locator>,
): Diagnostic => ({
  code,
  severity: 'error',
  message,
  path: '',
  location: locate(offset),
  ...(hint === undefined ? {} : { hint }),
});

const sorted = (diagnostics: readonly Diagnostic[]): readonly Diagnostic[] =>
  [...diagnostics].sort(
    ({ location: a, code: c }, { location: b, code: d }) =>
      a.line - b.line || a.column - b.column || (c < d ? -1 : c > d ? 1 : 0),
  );

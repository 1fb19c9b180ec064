import { Composer, type Document, Lexer, Parser, type YAMLError } from 'yaml';
import type { TextProblem } from './text.ts';

/** Collections within collections; no mesh needs a quarter of it. */
export const MAX_DEPTH = 64;

// One slip makes YAML complain about everything behind it.
const MAX_PROBLEMS = 100;

/** What the YAML text says, and everything that is wrong with it as YAML. */
export type Parsed = { readonly document: Document.Parsed | undefined; readonly problems: readonly TextProblem[] };

// Timestamps stay text and `yes` is no boolean (YAML 1.2 core). Duplicate keys are found by `convert`, whose search is linear.
const OPTIONS = {
  version: '1.2',
  schema: 'core',
  merge: false,
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;

/** Reads one YAML document, positions kept. Never throws: the text is anybody's. */
export const parseYaml = (text: string): Parsed => {
  const documents: Document.Parsed[] = [];
  const problems: TextProblem[] = [];
  try {
    const deep = compose(text, documents);
    if (deep !== undefined) return { document: undefined, problems: [deep] };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return {
      document: undefined,
      problems: [{ code: 'SIG0103', offset: 0, message: `the file is not YAML: ${message}` }],
    };
  }
  const [document, second] = documents;
  if (second !== undefined)
    problems.push({
      code: 'SIG0108',
      offset: second.range[0],
      message: 'a second document begins here',
      hint: 'a mesh is one document',
    });
  const seen = new Set<number>();
  for (const error of [...(document?.errors ?? []), ...(document?.warnings ?? [])]) {
    const problem = explain(error, text);
    // Of several complaints about one place the first says most.
    if (problem === undefined || seen.has(problem.offset) || (problems.length > 0 && isAftermath(error))) continue;
    seen.add(problem.offset);
    problems.push(problem);
    if (problems.length >= MAX_PROBLEMS) break;
  }
  return { document, problems };
};

// The composer recurses, and V8 aborts the process (no exception) when the stack ends inside a regular expression:
// so the depth is watched while the flat parser runs ahead of it.
const compose = (text: string, documents: Document.Parsed[]): TextProblem | undefined => {
  const parser = new Parser();
  const composer = new Composer({ ...OPTIONS });
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) documents.push(...composer.next(token));
    // A map and its value take up to two entries each.
    if (parser.stack.length > 2 * MAX_DEPTH)
      return { code: 'SIG0106', offset: parser.offset, message: `nested deeper than ${MAX_DEPTH} levels` };
  }
  for (const token of parser.end()) documents.push(...composer.next(token));
  documents.push(...composer.end(false, text.length));
  return undefined;
};

// After one slip the parser complains about all that it can no longer place.
const isAftermath = ({ message }: YAMLError): boolean => /in YAML stream|at node end/.test(message);

const explain = (error: YAMLError, text: string): TextProblem | undefined => {
  const offset = error.pos[0];
  const reason = error.message.replace(/\s+/g, ' ').replace(/ at line \d+, column \d+:?.*$/, '');
  switch (error.code) {
    case 'TAB_AS_INDENT':
      return { code: 'SIG0104', offset, message: 'a tab indents this line', hint: 'YAML is indented by spaces' };
    // Tags are reported where they stand, by `convert`.
    case 'TAG_RESOLVE_FAILED':
      return undefined;
    case 'MULTIPLE_DOCS':
      return undefined;
    case 'BAD_ALIAS':
      return {
        code: 'SIG0111',
        offset,
        message: 'a `*` at the beginning of a value is a YAML alias, and aliases are not allowed',
        hint: 'quote it if it is meant as text: "*"',
      };
    default:
      return {
        code: 'SIG0103',
        offset,
        message: `not YAML: ${reason}`,
        ...(text.startsWith('${', offset - 1) ? { hint: `inside { } and [ ] quote it: "\${NAME}"` } : {}),
      };
  }
};

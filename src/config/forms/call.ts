import { err, ok, type Result } from '../../lib/result.ts';
import type { PathPattern } from '../../model/rule.ts';
import { parsePath } from './path.ts';
import type { Problem } from './problem.ts';

/** `METHOD PATH`, `PATH` or `METHOD`. */
export type CallForm = { readonly method: string | undefined; readonly path: PathPattern | undefined };

export const parseCall = (written: string): Result<CallForm, Problem> => {
  const words = written.trim().split(/[ \t]+/);
  const [first = '', second] = words;
  if (words.length > 2)
    return err({
      code: 'SIG0507',
      message: `${JSON.stringify(written)} is not a call`,
      hint: 'write METHOD PATH, PATH or METHOD; several stand in a list',
    });
  const alone = second === undefined;
  const method = alone && /^[/*]/.test(first) ? undefined : first;
  const path = alone ? (method === undefined ? first : undefined) : second;
  const checked = method === undefined ? undefined : methodProblem(method);
  if (checked !== undefined) return err(checked);
  const pattern = path === undefined ? undefined : parsePath(path);
  if (pattern?.ok === false) return pattern;
  return ok({ method, path: pattern?.value });
};

const COMMON: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']);
const METHOD = /^[A-Z][A-Z-]{0,31}$/;

/** What is wrong with a method; RFC 9110 §9.1: methods are case-sensitive, and all that are registered are upper case. */
export const methodProblem = (written: string): Problem | undefined => {
  if (METHOD.test(written)) return undefined;
  const upper = written.toUpperCase();
  const hint = COMMON.has(upper)
    ? `did you mean ${upper}?`
    : 'METHOD is upper case and stands before PATH; a path begins with /';
  return { code: 'SIG0509', message: `${JSON.stringify(written)} is not a method`, hint };
};

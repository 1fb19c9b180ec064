import { isRefusedByEnvoy, normalizePath } from '../../features/authorization/path.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { PathPattern, PathSegment } from '../../model/rule.ts';
import type { Problem } from './problem.ts';

/** `/a`, `/a/*`, `*.png`, `/a/{*}/b`, `/a/{**}`, `/*` or `*`. */
export const parsePath = (written: string): Result<PathPattern, Problem> => {
  if (written === '*' || written === '/*') return ok({ kind: 'any' });
  const problem = shapeProblem(written) ?? unreachable(written);
  if (problem !== undefined) return err(problem);
  if (written.startsWith('*')) return ok({ kind: 'suffix', suffix: written.slice(1) });
  if (written.includes('{')) return ok({ kind: 'template', segments: segments(written) });
  if (written.endsWith('/*')) return ok({ kind: 'prefix', path: written.slice(0, -2) });
  return ok({ kind: 'exact', path: written });
};

const MAX_PATH = 1024;

/**
 * Envoy refuses an expression whose RE2 program has more than 100 instructions, and a template becomes one: measured
 * with Envoy 1.40, each character and slash is one, `/{*}` four, `/{**}` three, and what stands around them six.
 */
const MAX_PROGRAM = 100;
const programSize = (parts: readonly string[]): number =>
  parts.reduce((size, part) => size + (part === '{*}' ? 4 : part === '{**}' ? 3 : 1 + part.length), 6);

const shapeProblem = (written: string): Problem | undefined => {
  const wrong = (hint: string): Problem => ({
    code: 'SIG0507',
    message: `${written.slice(0, 80)} is not a path pattern`,
    hint,
  });
  if (!written.startsWith('/') && !written.startsWith('*')) return wrong('a path begins with /');
  if (written.length > MAX_PATH) return wrong('it is too long');
  if (/[{}]/.test(written)) return templateProblem(written, wrong);
  const body = written.startsWith('*') ? written.slice(1) : written.endsWith('/*') ? written.slice(0, -2) : written;
  if (!body.includes('*')) return undefined;
  if (written.startsWith('/') && body.endsWith('*'))
    return wrong(`${body.replace(/\/?\**$/, '')}/* is that path and everything below it`);
  return wrong('a * stands alone as the last segment (/a/*) or first (*.png); {*} is one segment');
};

const templateProblem = (written: string, wrong: (hint: string) => Problem): Problem | undefined => {
  const parts = written.slice(1).split('/');
  const odd = parts.find((part) => /[{}*]/.test(part) && part !== '{*}' && part !== '{**}');
  if (!written.startsWith('/') || odd !== undefined)
    return wrong('{*} is one segment and {**} any rest; nothing stands beside them');
  if (programSize(parts) > MAX_PROGRAM) return wrong('a pattern with {*} or {**} is too long for Envoy at this length');
  const rest = parts.indexOf('{**}');
  return rest >= 0 && rest < parts.length - 1 ? wrong('{**} stands last') : undefined;
};

// What a request's path looks like once it was normalised; anything else would be a rule that never holds.
const unreachable = (written: string): Problem | undefined => {
  const never = (hint: string): Problem => ({
    code: 'SIG0508',
    message: `no request has the path ${JSON.stringify(written)}`,
    hint,
  });
  if (/[?#]/.test(written)) return never('paths are matched without the query');
  const literal = written
    .replace(/\{\*{1,2}\}/g, 'x')
    .replace(/^\*/, '/x')
    .replace(/\*$/, 'x');
  if (/%(?![0-9A-Fa-f]{2})/.test(literal)) return never('% begins an escape of two hexadecimal digits');
  if (isRefusedByEnvoy(literal)) return never('write spaces and everything beyond ASCII percent-encoded');
  const normal = normalizePath(literal);
  if (normal === literal && literal !== '//') return undefined;
  const clean = normal.length === literal.length || written.includes('*') ? undefined : normal;
  return never(clean === undefined ? 'paths are matched after normalising' : `after normalising it is ${clean}`);
};

const segments = (written: string): readonly PathSegment[] =>
  written
    .slice(1)
    .split('/')
    .map(
      (text): PathSegment =>
        text === '{*}' ? { kind: 'one' } : text === '{**}' ? { kind: 'rest' } : { kind: 'literal', text },
    );

import type { Data } from './data.ts';
import type { Place, Report } from './places.ts';

/** The environment that `${NAME}` in values refers to. */
export type Env = Readonly<Record<string, string | undefined>>;

// Names, and who may call what, are read by people in the file; no environment changes them.
const NAMES: ReadonlySet<string> = new Set(['identity', 'name', 'uses', 'from', 'to', 'allow', 'deny']);
const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g;

/** Has the text a reference to replace? */
export const mentionsEnv = (text: string): boolean => text.includes('${');

/** The text with `${NAME}` and `${NAME:-default}` replaced. It stays one text, whatever the environment holds. */
export const resolveEnv = (text: string, place: Place, env: Env, report: Report): string => {
  if (!mentionsEnv(text)) return text;
  if (namesSomething(place)) {
    report({
      code: 'SIG0116',
      place,
      message: 'an environment variable cannot stand in a name, nor in `from` or `to`',
    });
    return text;
  }
  if (text.replace(REFERENCE, '').includes('${')) {
    report({
      code: 'SIG0117',
      place,
      message: `${JSON.stringify(text)} holds a "\${" that is no reference`,
      hint: `write \${NAME} or \${NAME:-default}`,
    });
    return text;
  }
  const unset = new Set<string>();
  const replaced = text.replace(REFERENCE, (_all, name: string, fallback: string | undefined) => {
    const found = Object.hasOwn(env, name) ? env[name] : undefined;
    if (fallback !== undefined) return found === undefined || found === '' ? fallback : found;
    if (found === undefined) unset.add(name);
    return found ?? '';
  });
  for (const name of unset)
    report({
      code: 'SIG0115',
      place,
      message: `the environment variable ${name} is not set`,
      hint: `set it, or write \${${name}:-default}`,
    });
  return replaced;
};

/** A text of the environment where a number or a boolean is expected, as if it had been written there. */
export const asWritten = (text: string): Data => {
  if (/^(0|[1-9][0-9]{0,15})$/.test(text)) return Number(text);
  return text === 'true' || text === 'false' ? text === 'true' : text;
};

const namesSomething = (place: Place): boolean => {
  for (let at: Place | undefined = place; at?.name !== undefined; at = at.parent) {
    // The end of a rule is a value like any other.
    if (at === place && (at.name === 'until' || at.name === 'mode')) return false;
    if (typeof at.name === 'string' && NAMES.has(at.name)) return !isOwnName(at);
  }
  return false;
};

// A service, port or label may itself be called `to` or `name`.
const isOwnName = ({ parent }: Place): boolean =>
  ['services', 'namespaces', 'ports', 'labels'].includes(String(parent?.name));

import type * as z from 'zod';
import { didYouMean, oneOf } from '../lib/suggest.ts';
import type { Data } from './data.ts';
import type { Scope } from './notBuilt.ts';
import type { Finding, Place } from './places.ts';

/** Keys by kind of map, for "did you mean"; a test holds them against the schema. */
export const KEYS: Readonly<Record<Scope, readonly string[]>> = {
  file: ['mesh', 'services', 'namespaces'],
  mesh: ['trustDomain', 'mtls', 'authorization', 'certificates', 'rejoin', 'allow', 'deny'],
  certificates: ['ttl', 'curve', 'rootLife'],
  mtls: ['mode', 'until', 'then'],
  namespace: ['mtls', 'services', 'allow', 'deny'],
  service: ['identity', 'labels', 'mtls', 'ports', 'endpoints', 'uses', 'allow', 'deny'],
  port: ['name', 'port', 'target', 'protocol', 'mtls', 'pathsMayHold', 'insecureTarget'],
  endpoint: ['address', 'ports', 'mtls'],
  rule: ['from', 'to', 'name', 'until', 'mode'],
  from: ['principals', 'namespaces', 'not'],
  to: ['methods', 'paths', 'ports', 'not'],
  other: [],
};

/** Where a key that was put elsewhere belongs. */
const BELONGS: Readonly<Record<string, string>> = {
  authorization: 'it stands under mesh',
  certificates: 'it stands under mesh',
  trustDomain: 'it stands under mesh',
  rejoin: 'it stands under mesh',
  principals: 'it stands under from',
  methods: 'it stands under to',
  paths: 'it stands under to',
};

/** Where a list may stand beside the only word, which the schema's complaint does not say. */
const FORMS: Readonly<Record<string, string>> = {
  endpoints: 'write auto, or a list like [{ address: 10.0.0.7 }]',
};

type Issue = z.core.$ZodIssue;

/** One finding for one complaint of the schema, in the words of the file. */
export const explainIssue = (issue: Issue, found: Data | undefined, place: Place, scope: Scope = 'other'): Finding => {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const key = issue.keys[0] ?? '';
      const keys = KEYS[scope];
      const known = keys.length === 0 ? undefined : `here may stand ${oneOf(keys)}`;
      const hint = didYouMean(key, keys) ?? BELONGS[key] ?? known;
      return { code: 'SIG0201', place, at: 'key', message: `unknown key ${show(key)}`, hint };
    }
    case 'invalid_value': {
      const choices = issue.values.map(String);
      if (found === undefined) return missing(issue, place, `one of ${oneOf(choices)}`);
      const hint = didYouMean(show(found), choices) ?? FORMS[String(place.name)] ?? `write ${oneOf(choices)}`;
      const one = choices.length === 1 ? '' : 'one of ';
      return { code: 'SIG0204', place, message: `${show(found)} is not ${one}${oneOf(choices)}`, hint };
    }
    case 'invalid_type':
      if (found === undefined) return missing(issue, place, TYPE[issue.expected] ?? issue.expected);
      return wrongType(TYPE[issue.expected] ?? issue.expected, found, place);
    case 'invalid_union':
      return wrongType(unionTypes(issue), found ?? null, place);
    default:
      return { code: 'SIG0204', place, message: issue.message };
  }
};

const TYPE: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'nothing',
};

const missing = (issue: Issue, place: Place, expected: string): Finding => {
  const key = String(issue.path.at(-1) ?? 'mesh');
  return { code: 'SIG0203', place, at: 'key', message: `${key} is missing`, hint: `it takes ${expected}` };
};

const wrongType = (expected: string, found: Data, place: Place): Finding => {
  const empty = found === null && expected.includes('a map');
  const number = typeof found === 'number' && expected === 'text';
  const hint = empty ? 'write {} for an empty map' : number ? `quote it: "${found}"` : undefined;
  return {
    code: 'SIG0202',
    place,
    message: `expected ${expected}, found ${nameOf(found)}`,
    ...(hint === undefined ? {} : { hint }),
  };
};

const unionTypes = (issue: Issue & { readonly code: 'invalid_union' }): string => {
  const types = issue.errors.flatMap((errors) =>
    errors.flatMap((inner) => {
      if (inner.code === 'invalid_type' && inner.path.length === 0) return [TYPE[inner.expected] ?? inner.expected];
      return inner.code === 'invalid_value' ? ['text'] : [];
    }),
  );
  return oneOf([...new Set(types)]);
};

const nameOf = (found: Data): string => {
  if (found === null) return 'nothing';
  if (Array.isArray(found)) return 'a list';
  return typeof found === 'object'
    ? 'a map'
    : `the ${typeof found === 'string' ? 'text' : typeof found} ${show(found)}`;
};

const show = (found: Data): string => {
  const text = typeof found === 'string' ? found : JSON.stringify(found);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
};

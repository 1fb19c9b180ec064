import type * as z from 'zod';
import { didYouMean } from '../lib/suggest.ts';
import type { Converted } from './convert.ts';
import type { Data } from './data.ts';
import { asWritten } from './env.ts';
import { explainIssue } from './explainIssue.ts';
import { NOT_BUILT_KEYS, NOT_BUILT_VALUES, scopeOf } from './notBuilt.ts';
import { descend, type Place, type Report } from './places.ts';
import { type FileSpec, fileSpec } from './schema.ts';
import { NAMING_KEYS, type NamingKey, type Unread } from './unread.ts';

/** The file by its schema, and what had to be left out of it to get so far. */
export type Decoded = {
  readonly file: FileSpec;
  readonly place: Place;
  /** Maps of which a part was left out, so that they are not as empty as they look. */
  readonly incomplete: ReadonlySet<Place>;
  /** By map, those of its keys that declare names and could not be read. */
  readonly unread: Unread;
};

/**
 * Decodes strictly. After a problem the part that holds it (a rule, a port, a setting) is left out and the rest is
 * decoded again, so that the checks can report what else is wrong. `undefined` if nothing useful remains.
 */
export const decode = (converted: Converted, report: Report): Decoded | undefined => {
  const { data, place } = converted;
  const state: State = { data, place, incomplete: new Set(), unread: new Map() };
  // Each round reports problems that the last one hid, and leaves out at least one part: a few suffice.
  for (let round = 0; round < 8; round += 1) {
    const outcome = fileSpec.safeParse(state.data);
    if (outcome.success) {
      reportNotBuiltValues(outcome.data, state.place, report);
      return { file: outcome.data, place, incomplete: state.incomplete, unread: state.unread };
    }
    const found = outcome.error.issues.flatMap((issue) => unfold(issue, state.data));
    const issues = found.filter((issue) => !takesEnv(issue, state));
    const unknown = unknownKeys(issues);
    for (const issue of issues) if (!isMisspelt(issue, unknown)) reportIssue(issue, state, report);
    for (const issue of byDepth(issues)) leaveOut(issue, state);
    if (state.data === null || typeof state.data !== 'object' || Array.isArray(state.data)) return undefined;
  }
  return undefined;
};

type Issue = z.core.$ZodIssue;
type State = {
  data: Data;
  readonly place: Place;
  readonly incomplete: Set<Place>;
  readonly unread: Map<Place, Set<NamingKey>>;
};

// Of a union's complaints, those of the form that the user meant: the one whose outer type fits.
const unfold = (issue: Issue, root: Data): readonly Issue[] => {
  if (issue.code !== 'invalid_union') return [issue];
  const isText = typeof lookUp(root, issue.path) === 'string';
  const misses = ({ code, path }: Issue): boolean =>
    path.length === 0 && (code === 'invalid_type' || (code === 'invalid_value' && !isText));
  const chosen = issue.errors.find((errors) => !errors.some(misses));
  if (chosen === undefined) return [issue];
  return chosen.flatMap((inner) => unfold({ ...inner, path: [...issue.path, ...inner.path] } as Issue, root));
};

// A number or boolean that the environment gives is text until the schema asks for more: it is put right, not reported.
const takesEnv = (issue: Issue, state: State): boolean => {
  const issues = issue.code === 'invalid_union' ? issue.errors.flat() : [issue];
  const wanted = issues.flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : []));
  const text = lookUp(state.data, issue.path);
  if (typeof text !== 'string' || !descend(state.place, ...(issue.path as (string | number)[])).fromEnv) return false;
  const value = asWritten(text);
  const holder = lookUp(state.data, issue.path.slice(0, -1));
  if (!wanted.some((type) => type === typeof value) || holder === null || typeof holder !== 'object') return false;
  (holder as { [key: PropertyKey]: Data })[issue.path.at(-1) ?? ''] = value;
  return true;
};

// Unknown keys by the map that they stand in.
const unknownKeys = (issues: readonly Issue[]): ReadonlyMap<string, readonly string[]> =>
  new Map(
    issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? [[JSON.stringify(issue.path), issue.keys]] : [])),
  );

// A missing key whose misspelling is reported already is not a problem of its own.
const isMisspelt = ({ code, path }: Issue, unknown: ReadonlyMap<string, readonly string[]>): boolean =>
  (code === 'invalid_type' || code === 'invalid_value') &&
  (unknown.get(JSON.stringify(path.slice(0, -1))) ?? []).some(
    (key) => didYouMean(key, [String(path.at(-1))]) !== undefined,
  );

const reportIssue = (issue: Issue, state: State, report: Report): void => {
  const place = descend(state.place, ...(issue.path as (string | number)[]));
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) reportKey(key, issue.path, place, state, report);
    return;
  }
  const found = lookUp(state.data, issue.path);
  report(explainIssue(issue, found, place));
};

const reportKey = (key: string, path: readonly PropertyKey[], place: Place, state: State, report: Report): void => {
  const scope = scopeOf(path);
  const at = descend(place, key);
  if (NOT_BUILT_KEYS[scope].includes(key)) {
    report({ code: 'SIG0205', place: at, at: 'key', message: `${key} is not built yet`, hint: 'leave it out' });
    return;
  }
  report(
    explainIssue(
      { code: 'unrecognized_keys', keys: [key], path: [...path] } as Issue,
      lookUp(state.data, path),
      at,
      scope,
    ),
  );
};

const lookUp = (data: Data, path: readonly PropertyKey[]): Data | undefined => {
  let at: Data | undefined = data;
  for (const key of path) {
    if (at === null || typeof at !== 'object') return undefined;
    at = (at as { readonly [key: PropertyKey]: Data | undefined })[key];
  }
  return at;
};

// Deepest and last first, so that an index still means what it meant when it was reported.
const byDepth = (issues: readonly Issue[]): readonly Issue[] =>
  [...issues].sort((a, b) => (comparePaths(a.path, b.path) > 0 ? -1 : 1));

const comparePaths = (a: readonly PropertyKey[], b: readonly PropertyKey[]): number => {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const [left, right] = [a[index], b[index]];
    if (left === right) continue;
    if (typeof left === 'number' && typeof right === 'number') return left - right;
    return String(left) < String(right) ? -1 : 1;
  }
  return a.length - b.length;
};

const leaveOut = (issue: Issue, state: State): void => {
  if (issue.code === 'unrecognized_keys') {
    const holder = lookUp(state.data, issue.path);
    if (holder !== null && typeof holder === 'object' && !Array.isArray(holder))
      for (const key of issue.keys) delete holder[key];
    const place = descend(state.place, ...(issue.path as (string | number)[]));
    state.incomplete.add(place);
    for (const key of issue.keys) markUnread(place, namingKeysNear(key), state);
    return;
  }
  cut(partOf(issue.path), state);
};

const LISTS: ReadonlySet<PropertyKey> = new Set(['allow', 'deny', 'ports', 'uses', 'endpoints', 'labels']);

const markUnread = (place: Place, keys: readonly NamingKey[], state: State): void => {
  const marked = state.unread.get(place) ?? new Set();
  for (const key of keys) marked.add(key);
  state.unread.set(place, marked);
};

// What an unknown key may have meant to be; an `include` would bring any of them.
const namingKeysNear = (key: string): readonly NamingKey[] =>
  key === 'include' ? NAMING_KEYS : NAMING_KEYS.filter((naming) => didYouMean(key, [naming]) !== undefined);

/** The path of the smallest part that can be missing: a rule, a port, a setting, a service. */
const partOf = (path: readonly PropertyKey[]): readonly PropertyKey[] => {
  const owner = ownerLength(path);
  const field = path[owner];
  if (field === undefined) return path;
  return path.slice(0, LISTS.has(field) && path.length > owner + 1 ? owner + 2 : owner + 1);
};

// How much of the path leads to the mesh, namespace or service that the rest is a setting of.
const ownerLength = (path: readonly PropertyKey[]): number => {
  if (path[0] === 'mesh') return 1;
  if (path[0] === 'services') return 2;
  if (path[0] === 'namespaces') return path[2] === 'services' ? 4 : 2;
  return 0;
};

const cut = (path: readonly PropertyKey[], state: State): void => {
  const key = path.at(-1);
  if (key === undefined) {
    state.data = null;
    return;
  }
  const holder = lookUp(state.data, path.slice(0, -1));
  const owner = path.slice(0, ownerLength(path));
  const field = path[owner.length];
  const named = field === undefined ? NAMING_KEYS : NAMING_KEYS.filter((naming) => naming === field);
  markUnread(descend(state.place, ...(owner as (string | number)[])), named, state);
  if (holder === undefined || holder === null || typeof holder !== 'object') return;
  if (Array.isArray(holder)) {
    removeItem(holder, path, state);
    return;
  }
  const filler = fillerFor(path);
  if (filler === undefined) delete holder[String(key)];
  else holder[String(key)] = filler;
};

// Without these the rest could not be looked at; the file is refused in any case.
const fillerFor = (path: readonly PropertyKey[]): Data | undefined => {
  const empty = (): Data => Object.create(null) as Data;
  if (path.length === 1 && path[0] === 'mesh') {
    const mesh = Object.create(null) as { [key: string]: Data };
    mesh.trustDomain = 'unknown';
    return mesh;
  }
  if (path.length === 2 && path[0] === 'mesh' && path[1] === 'trustDomain') return 'unknown';
  return path.length === ownerLength(path) ? empty() : undefined;
};

// Data and places lose the same item; places remember the index that the user knows.
const removeItem = (holder: Data[], path: readonly PropertyKey[], state: State): void => {
  const index = Number(path.at(-1));
  holder.splice(index, 1);
  const list = descend(state.place, ...(path.slice(0, -1) as (string | number)[]));
  state.incomplete.add(list);
  const children = list.children as Map<string, Place>;
  const rest = [...children.values()].filter((_place, at) => at !== index);
  children.clear();
  rest.forEach((place, at) => {
    children.set(String(at), place);
  });
};

const reportNotBuiltValues = (file: FileSpec, root: Place, report: Report): void => {
  const visit = (data: unknown, path: readonly PropertyKey[], place: Place): void => {
    if (data === null || typeof data !== 'object') return;
    for (const [key, inner] of Object.entries(data)) {
      const hit = NOT_BUILT_VALUES.find(
        (entry) => entry.key === key && entry.value === inner && entry.scope === scopeOf(path),
      );
      const at = descend(place, key);
      if (hit !== undefined) report({ code: 'SIG0205', place: at, message: `${key}: ${hit.value} is not built yet` });
      visit(inner, [...path, Array.isArray(data) ? Number(key) : key], at);
    }
  };
  visit(file, [], root);
};

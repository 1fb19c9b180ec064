import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type Scalar, type YAMLMap, type YAMLSeq } from 'yaml';
import type { Data } from './data.ts';
import { type Env, mentionsEnv, resolveEnv } from './env.ts';
import type { Place, Report } from './places.ts';

/** A value and where it and everything in it stands. */
export type Converted = { readonly data: Data; readonly place: Place };

type Spot = {
  readonly parent: Place | undefined;
  readonly name: string | number | undefined;
  readonly keyAt: number | undefined;
};

/** The document as data with places. Everything that YAML can do and a mesh.yaml must not is reported. */
export const convert = (node: unknown, env: Env, report: Report): Converted =>
  value(node, { parent: undefined, name: undefined, keyAt: undefined }, 0, { env, report });

type Job = { readonly env: Env; readonly report: Report };

const value = (node: unknown, spot: Spot, missingAt: number, job: Job): Converted => {
  const children = new Map<string, Place>();
  const valueAt = startOf(node) ?? missingAt;
  const fromEnv = isScalar(node) && typeof node.value === 'string' && mentionsEnv(node.value);
  const place: Place = { ...spot, valueAt, fromEnv, children };
  const { report } = job;
  if (isAlias(node)) {
    report({
      code: 'SIG0111',
      place,
      message: `*${node.source.slice(0, 60)} is a YAML alias, and aliases are not allowed`,
      hint: `quote it if it is meant as text: "*${node.source.slice(0, 60)}"`,
    });
    return { data: null, place };
  }
  refuseProperties(node, place, report);
  if (isMap(node)) return { data: map(node, place, children, job), place };
  if (isSeq(node)) return { data: sequence(node, place, children, job), place };
  return { data: isScalar(node) ? scalar(node, place, job) : null, place };
};

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];

const refuseProperties = (node: unknown, place: Place, report: Report): void => {
  const { anchor, tag } = (node ?? {}) as { readonly anchor?: string; readonly tag?: string };
  if (anchor !== undefined)
    report({
      code: 'SIG0110',
      place,
      message: `&${anchor.slice(0, 60)} is a YAML anchor, and anchors are not allowed`,
      hint: 'write it out',
    });
  if (tag !== undefined)
    report({
      code: 'SIG0113',
      place,
      message: `${tag.replace('tag:yaml.org,2002:', '!!').slice(0, 60)} is a YAML tag, and tags are not allowed`,
      hint: 'leave it out',
    });
};

const scalar = (node: Scalar, place: Place, { env, report }: Job): Data => {
  const { value: found } = node;
  if (typeof found !== 'string') {
    // NaN and infinities are numbers to YAML and to nobody else.
    if (typeof found === 'number' && Number.isFinite(found)) return found;
    return typeof found === 'boolean' || found === null ? found : (node.source ?? null);
  }
  return resolveEnv(found, place, env, report);
};

const sequence = (node: YAMLSeq, place: Place, children: Map<string, Place>, job: Job): Data =>
  node.items.map((item, index) => {
    const inner = value(item, { parent: place, name: index, keyAt: undefined }, place.valueAt, job);
    children.set(String(index), inner.place);
    return inner.data;
  });

const map = (node: YAMLMap, place: Place, children: Map<string, Place>, job: Job): Data => {
  const out = Object.create(null) as { [key: string]: Data };
  for (const pair of node.items) {
    const name = keyName(pair, place, job.report);
    if (name === undefined) continue;
    const keyAt = startOf(pair.key) ?? place.valueAt;
    const inner = value(pair.value, { parent: place, name, keyAt }, keyAt, job);
    const first = children.get(name);
    if (first === undefined) {
      children.set(name, inner.place);
      out[name] = inner.data;
    } else
      job.report({
        code: 'SIG0109',
        place: inner.place,
        at: 'key',
        message: `${name.slice(0, 60)} stands twice in this map`,
        first,
      });
  }
  return out;
};

const keyName = (pair: Pair, place: Place, report: Report): string | undefined => {
  const { key } = pair;
  const keyAt = startOf(key) ?? startOf(pair.value) ?? place.valueAt;
  const spot: Place = { parent: place, name: '?', keyAt, valueAt: keyAt, fromEnv: false, children: new Map() };
  if (isAlias(key)) {
    report({
      code: 'SIG0111',
      place: spot,
      message: `*${key.source.slice(0, 60)} is a YAML alias, and aliases are not allowed`,
    });
    return undefined;
  }
  refuseProperties(key, spot, report);
  if (!isScalar(key) || key.value === null || key.source === '') {
    report({ code: 'SIG0114', place: spot, message: 'a key must be plain text' });
    return undefined;
  }
  const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
  if (name === '<<') {
    report({
      code: 'SIG0112',
      place: spot,
      message: '<< is a YAML merge key, and merge keys are not allowed',
      hint: 'write it out',
    });
    return undefined;
  }
  // It would be lost on its way through JavaScript objects.
  if (name === '__proto__') {
    report({ code: 'SIG0201', place: spot, message: 'unknown key __proto__' });
    return undefined;
  }
  if (mentionsEnv(name)) {
    report({ code: 'SIG0116', place: spot, message: 'an environment variable cannot stand in a key' });
    return undefined;
  }
  return name;
};

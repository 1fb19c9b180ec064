import { type Resource, type Snapshot, TYPE, type TypeUrl } from '../xds/resource.ts';
import type { Content } from './quarantine.ts';

/**
 * The snapshot of what alike sidecars have in common and of what is one sidecar's own. What is emitted is the resource: sidecars
 * that are sent the same share its bytes, and the sets of it. A type in which nothing changed stays `previous`'s object, so that it
 * is recognised without comparing.
 */
export const assemble = (common: readonly Content[], own: readonly Content[], previous?: Snapshot): Snapshot => {
  const [shared, mine] = [byType(common), group(own, newSet)];
  // Copied whole, for all but secrets are the same for many.
  const snapshot = new Map(shared);
  mine.forEach((more, url) => {
    const ours = shared.get(url);
    snapshot.set(url, ours === undefined || ours.size === 0 ? more : new Map([...ours, ...more]));
  });
  if (previous !== undefined) for (const [url, next] of snapshot) snapshot.set(url, keepEqual(next, previous.get(url)));
  return snapshot;
};

const NONE: ReadonlyMap<string, Resource> = new Map();

type Groups = ReadonlyMap<TypeUrl, ReadonlyMap<string, Resource>>;

/** Types of which there is nothing are there, too. */
const EMPTY: Groups = new Map(Object.values(TYPE).map((url) => [url, NONE]));

const known = new WeakMap<readonly Content[], Groups>();

const byType = (emitted: readonly Content[]): Groups => {
  const before = known.get(emitted);
  if (before !== undefined) return before;
  const groups = new Map([...EMPTY, ...group(emitted, sharedSet)]);
  known.set(emitted, groups);
  return groups;
};

type SetOf = (list: readonly Content[]) => ReadonlyMap<string, Resource>;

const group = (emitted: readonly Content[], setOf: SetOf): Groups => {
  const lists = new Map<TypeUrl, Content[]>();
  for (const resource of emitted) {
    const list = lists.get(resource.type);
    if (list === undefined) lists.set(resource.type, [resource]);
    else list.push(resource);
  }
  const types = new Map<TypeUrl, ReadonlyMap<string, Resource>>();
  lists.forEach((list, url) => {
    types.set(url, setOf(list));
  });
  return types;
};

const newSet: SetOf = (list) => {
  const set = new Map<string, Resource>();
  for (const resource of list) set.set(resource.name, resource);
  return set;
};

/** By its first resource, the set that was made last. */
const sets = new WeakMap<Content, { readonly list: readonly Content[]; readonly set: ReturnType<SetOf> }>();

// Instances of a service differ in their listeners, and share all other sets.
const sharedSet: SetOf = (list) => {
  const [first] = list;
  const before = first && sets.get(first);
  if (before?.list.length === list.length && list.every((one, at) => before.list[at] === one)) return before.set;
  const set = newSet(list);
  if (first !== undefined) sets.set(first, { list, set });
  return set;
};

type Resources = ReadonlyMap<string, Resource>;

/** Found to say the same: alike sidecars come one after the other, and share both. */
const equal = new WeakMap<Resources, Resources>();

const keepEqual = (next: Resources, previous: Resources | undefined): Resources => {
  if (previous === undefined || previous === next || previous.size !== next.size) return next;
  if (equal.get(next) === previous) return previous;
  if (!saysTheSame(next, previous)) return next;
  equal.set(next, previous);
  return previous;
};

const saysTheSame = (next: Resources, previous: Resources): boolean => {
  for (const [name, { version }] of next) if (previous.get(name)?.version !== version) return false;
  return true;
};

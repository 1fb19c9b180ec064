import { type Resource, type Snapshot, TYPE, type TypeUrl } from '../xds/resource.ts';
import type { Content } from './quarantine.ts';

/**
 * The snapshot of what alike sidecars have in common and of what is one sidecar's own. What is emitted is the resource: sidecars
 * that are sent the same share its bytes, and the sets of it. A type in which nothing changed stays `previous`'s object, so that it
 * is recognised without comparing.
 */
export const assemble = (common: readonly Content[], own: readonly Content[], previous?: Snapshot): Snapshot => {
  const [shared, mine] = [byType(common), group(own)];
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
  const groups = new Map([...EMPTY, ...group(emitted)]);
  known.set(emitted, groups);
  return groups;
};

const group = (emitted: readonly Content[]): Groups => {
  const types = new Map<TypeUrl, Map<string, Resource>>();
  for (const resource of emitted) {
    const resources = types.get(resource.type) ?? new Map<string, Resource>();
    types.set(resource.type, resources.set(resource.name, resource));
  }
  return types;
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

import { type Resource, type Snapshot, TYPE, type TypeUrl } from '../xds/resource.ts';
import type { Content } from './quarantine.ts';

/**
 * The snapshot of what alike sidecars have in common and of what is one sidecar's own. What is emitted is the resource: sidecars
 * that are sent the same share its bytes, and the sets of it. A type in which nothing changed stays `previous`'s object, so that it
 * is recognised without comparing.
 */
export const assemble = (common: readonly Content[], own: readonly Content[], previous?: Snapshot): Snapshot => {
  const [shared, mine] = [byType(common), group(own)];
  const both = (url: TypeUrl): ReadonlyMap<string, Resource> => {
    const [ours, more] = [shared.get(url) ?? NONE, mine.get(url)];
    if (more === undefined) return ours;
    return ours.size === 0 ? more : new Map([...ours, ...more]);
  };
  const urls = new Set([...Object.values(TYPE), ...shared.keys(), ...mine.keys()]);
  return new Map([...urls].map((url) => [url, keepEqual(both(url), previous?.get(url))]));
};

const NONE: ReadonlyMap<string, Resource> = new Map();

type Groups = ReadonlyMap<TypeUrl, ReadonlyMap<string, Resource>>;

const known = new WeakMap<readonly Content[], Groups>();

const byType = (emitted: readonly Content[]): Groups => {
  const groups = known.get(emitted) ?? group(emitted);
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

const keepEqual = (
  next: ReadonlyMap<string, Resource>,
  previous: ReadonlyMap<string, Resource> | undefined,
): ReadonlyMap<string, Resource> => {
  if (previous === undefined || previous.size !== next.size) return next;
  for (const [name, { version }] of next) if (previous.get(name)?.version !== version) return next;
  return previous;
};

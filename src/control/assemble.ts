import type { Emitted } from '../emit/emitted.ts';
import { type Resource, type Snapshot, TYPE, type TypeUrl } from '../xds/resource.ts';

/**
 * The snapshot of these resources. What `previous` already holds is kept as the same objects, so that an unchanged type
 * is recognised without comparing, and equal bytes exist once.
 */
export const assemble = (
  emitted: readonly Pick<Emitted, 'type' | 'name' | 'version' | 'any'>[],
  previous?: Snapshot,
): Snapshot => {
  const types = new Map<TypeUrl, Map<string, Resource>>(Object.values(TYPE).map((url) => [url, new Map()]));
  for (const { type, name, version, any } of emitted) {
    const old = previous?.get(type)?.get(name);
    const resources = types.get(type) ?? new Map<string, Resource>();
    resources.set(name, old?.version === version ? old : { name, version, any });
    types.set(type, resources);
  }
  return new Map([...types].map(([url, resources]) => [url, keepEqual(resources, previous?.get(url))]));
};

const keepEqual = (
  next: ReadonlyMap<string, Resource>,
  previous: ReadonlyMap<string, Resource> | undefined,
): ReadonlyMap<string, Resource> => {
  if (previous === undefined || previous.size !== next.size) return next;
  for (const [name, resource] of next) if (previous.get(name) !== resource) return next;
  return previous;
};

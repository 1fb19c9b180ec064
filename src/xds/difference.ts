import type { Resource } from './resource.ts';
import { isWanted, type TypeState } from './typeState.ts';

/** What one type of one stream lacks of the newest snapshot. */
export type Needs = {
  /** Asked for by name, and there. */
  readonly answers: readonly Resource[];
  /** Asked for by name, and not there: unknown and foreign names alike. */
  readonly absent: readonly string[];
  /** New or changed. */
  readonly upserts: readonly Resource[];
  /** Held by the client, or perhaps held after a NACK, and no longer in the snapshot. */
  readonly removals: readonly string[];
};

export const NO_NEEDS: Needs = Object.freeze({ answers: [], absent: [], upserts: [], removals: [] });

export const isEmpty = (n: Needs): boolean =>
  n.answers.length === 0 && n.absent.length === 0 && n.upserts.length === 0 && n.removals.length === 0;

/** Compares what the client holds with what there is; `refresh` are names to send again although unchanged. */
export const difference = (
  t: TypeState,
  resources: ReadonlyMap<string, Resource>,
  refresh: ReadonlySet<string>,
): Needs => {
  if (t.settledOn === resources && refresh.size === 0) return NO_NEEDS;
  const answers: Resource[] = [];
  const absent: string[] = [];
  for (const name of t.owed) {
    const resource = resources.get(name);
    if (resource === undefined) absent.push(name);
    else answers.push(resource);
  }
  const upserts: Resource[] = [];
  for (const resource of wantedResources(t, resources)) {
    if (!t.owed.has(resource.name) && isNews(t, resource, refresh)) upserts.push(resource);
  }
  return { answers, absent, upserts, removals: vanished(t, resources) };
};

const wantedResources = (t: TypeState, resources: ReadonlyMap<string, Resource>): readonly Resource[] => {
  if (t.wildcard) return [...resources.values()];
  const wanted: Resource[] = [];
  for (const name of t.names) {
    const resource = resources.get(name);
    if (resource !== undefined) wanted.push(resource);
  }
  return wanted;
};

const isNews = (t: TypeState, resource: Resource, refresh: ReadonlySet<string>): boolean => {
  const { name, version } = resource;
  // What is under way counts as taken until the client says otherwise.
  const underWay = t.inFlight?.upserts.get(name);
  if (underWay !== undefined) return underWay !== version || refresh.has(name);
  if (t.inFlight?.removals.includes(name)) return true;
  const refused = t.refused.get(name);
  if (refused !== undefined) return refused !== version;
  return t.held.versions.get(name) !== version || refresh.has(name);
};

const vanished = (t: TypeState, resources: ReadonlyMap<string, Resource>): readonly string[] => {
  const gone = new Set<string>();
  for (const name of t.held.versions.keys()) if (!resources.has(name)) gone.add(name);
  for (const name of t.refused.keys()) if (!resources.has(name)) gone.add(name);
  for (const name of t.inFlight?.removals ?? []) gone.delete(name);
  return [...gone].filter((name) => isWanted(t, name) && !t.owed.has(name));
};

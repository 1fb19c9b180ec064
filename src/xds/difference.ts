import { added } from '../lib/lists.ts';
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

const NOTHING: readonly string[] = [];
const NO_RESOURCES: readonly Resource[] = [];

export const isEmpty = (n: Needs): boolean =>
  n.answers.length === 0 && n.absent.length === 0 && n.upserts.length === 0 && n.removals.length === 0;

/** Compares what the client holds with what there is; `refresh` are names to send again although unchanged. */
export const difference = (
  t: TypeState,
  resources: ReadonlyMap<string, Resource>,
  refresh: ReadonlySet<string>,
): Needs => {
  // Most of the time there is nothing: then nothing is made.
  let answers: Resource[] | undefined;
  let absent: string[] | undefined;
  for (const name of t.owed) {
    const resource = resources.get(name);
    if (resource === undefined) absent = added(absent, name);
    else answers = added(answers, resource);
  }
  let upserts: Resource[] | undefined;
  for (const name of t.wildcard ? resources.keys() : t.names) {
    const resource = resources.get(name);
    if (resource === undefined || t.owed.has(name) || !isNews(t, resource, refresh)) continue;
    upserts = added(upserts, resource);
  }
  const removals = vanished(t, resources);
  if (answers === undefined && absent === undefined && upserts === undefined && removals.length === 0) return NO_NEEDS;
  return { answers: answers ?? NO_RESOURCES, absent: absent ?? NOTHING, upserts: upserts ?? NO_RESOURCES, removals };
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
  const underWay =
    t.inFlight === undefined || t.inFlight.removals.length === 0 ? undefined : new Set(t.inFlight.removals);
  const isGone = (name: string): boolean =>
    !resources.has(name) && isWanted(t, name) && !t.owed.has(name) && underWay?.has(name) !== true;
  let gone: string[] | undefined;
  for (const name of t.held.versions.keys()) if (isGone(name)) gone = added(gone, name);
  for (const name of t.refused.keys()) if (!t.held.versions.has(name) && isGone(name)) gone = added(gone, name);
  return gone ?? NOTHING;
};

import { type Resource, type Snapshot, TYPE, type TypeUrl } from './resource.ts';
import type { SessionState } from './sessionState.ts';

/*
 * Clusters and their endpoints, seen from Envoy: a cluster that is new or changed warms until its endpoints come, and Envoy keeps
 * back its ACK for clusters as long as one of them warms. An assignment has its cluster's name (EDS without `service_name`).
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#resource-warming
 */

export const NOTHING_LEAVES: ReadonlyMap<string, Resource> = new Map();
/** No endpoints that are to be sent again. */
export const NO_NAMES: ReadonlySet<string> = new Set();

/** The client holds this cluster, or may hold it when the response under way arrives. */
const mayHaveCluster = (s: SessionState, name: string): boolean => {
  const cds = s.types.get(TYPE.cds);
  if (cds === undefined) return false;
  return cds.held.versions.has(name) || cds.refused.has(name) || (cds.inFlight?.upserts.has(name) ?? false);
};

/**
 * The endpoints that this client may be sent. Those of a cluster that left the snapshot stay until the client has dropped the
 * cluster: it may be warming, and then without them its ACK would never come and nothing could follow.
 */
export const endpointsInView = (s: SessionState): ReadonlyMap<string, Resource> | undefined => {
  const current = s.snapshot?.get(TYPE.eds);
  if (s.leaving.size === 0) return current;
  const kept = [...s.leaving].filter(([name]) => mayHaveCluster(s, name));
  return kept.length === 0 ? current : new Map([...(current ?? NOTHING_LEAVES), ...kept]);
};

/** Which endpoints are leaving once this snapshot is the newest. */
export const leavingAfter = (before: SessionState, snapshot: Snapshot): ReadonlyMap<string, Resource> => {
  const current = snapshot.get(TYPE.eds) ?? NOTHING_LEAVES;
  const view = endpointsInView(before) ?? NOTHING_LEAVES;
  if (view === current) return NOTHING_LEAVES;
  const leaves = (name: string): boolean => !current.has(name) && !snapshot.get(TYPE.cds)?.has(name);
  const left = [...view].filter(([name]) => leaves(name) && mayHaveCluster(before, name));
  return left.length === 0 ? NOTHING_LEAVES : new Map(left);
};

/** A client that takes endpoints has not been sent those of a cluster that it was just sent. */
export const isRefreshing = (s: SessionState): boolean => {
  const eds = s.types.get(TYPE.eds);
  if (eds === undefined || s.refresh.size === 0) return false;
  const view = endpointsInView(s) ?? NOTHING_LEAVES;
  return [...s.refresh].some((name) => {
    const endpoints = view.get(name);
    return endpoints !== undefined && eds.refused.get(name) !== endpoints.version;
  });
};

/** Envoy waits for a cluster's endpoints again after the cluster changed, even if they did not, and does not ask for them. */
export const refreshAfter = (
  before: ReadonlySet<string>,
  snapshot: Snapshot,
  url: TypeUrl,
  upserts: ReadonlyMap<string, string>,
  removed: readonly string[],
): ReadonlySet<string> => {
  if (url !== TYPE.cds && (url !== TYPE.eds || before.size === 0)) return before;
  const after = new Set(before);
  for (const name of removed) after.delete(name);
  const endpoints = snapshot.get(TYPE.eds);
  upserts.forEach((_version, name) => {
    if (url === TYPE.eds) after.delete(name);
    else if (endpoints?.has(name)) after.add(name);
  });
  return after.size === 0 ? NO_NAMES : after;
};

import { type Needs, NO_NEEDS } from './difference.ts';
import { type Resource, TYPE, type TypeUrl } from './resource.ts';
import type { SmallMap } from './smallMap.ts';
import type { TypeState } from './typeState.ts';

/**
 * Make before break: clusters, their endpoints, secrets, then listeners, then routes; what nothing refers to any more goes
 * last. https://www.envoyproxy.io/docs/envoy/v1.40.0/api-docs/xds_protocol#eventual-consistency-considerations
 */
export const SENDING_ORDER: readonly TypeUrl[] = [TYPE.cds, TYPE.eds, TYPE.sds, TYPE.lds, TYPE.rds];

/** One type at the moment of choosing: its state, and what it lacks. */
export type Standing = {
  readonly type: TypeState;
  /** What there is of it for this client. */
  readonly resources: ReadonlyMap<string, Resource> | undefined;
  /** Names that must be sent again although unchanged. */
  readonly refresh: ReadonlySet<string>;
  readonly needs: Needs;
  /** Nothing of this type is to be sent or waited for. */
  readonly quiet: boolean;
  /** The client refused something of it. */
  readonly refuses: boolean;
  /** What is under way is all that was lacking: whoever takes it lacks nothing. */
  readonly sentAll: boolean;
};

export type Standings = SmallMap<TypeUrl, Standing>;

/** What is known besides the types themselves. */
export type Gates = {
  /** Endpoints that must follow their changed cluster before anything may refer to it. */
  readonly refreshing: boolean;
  /** Clusters that may be warming for want of endpoints. */
  readonly refresh: ReadonlySet<string>;
  /** The client was waited for long enough: listeners and routes stop waiting for it. */
  readonly impatient: boolean;
  /** The client came back a moment ago: what it says last may refer to what it said first. */
  readonly returning: boolean;
};

const arriving = ({ type, needs }: Standing): boolean =>
  type.inFlight !== undefined || needs.answers.length + needs.absent.length + needs.upserts.length > 0;

const leaving = (s: Standing): boolean => s.needs.removals.length > 0;

const is = (standings: Standings, url: TypeUrl, test: (s: Standing) => boolean): boolean => {
  const standing = standings.get(url);
  return standing !== undefined && test(standing);
};

const foundationsReady = (standings: Standings, gates: Gates): boolean =>
  gates.impatient ||
  !(
    gates.refreshing ||
    // Who comes back asks for clusters last while one of them warms.
    (gates.returning && !standings.has(TYPE.cds)) ||
    is(standings, TYPE.cds, arriving) ||
    is(standings, TYPE.eds, arriving) ||
    is(standings, TYPE.sds, arriving)
  );

/** Listeners and routes hold the new state. Where they refused it they still use the old one, so nothing is taken away. */
const nothingRefersBack = (standings: Standings, gates: Gates): boolean =>
  !gates.returning &&
  foundationsReady(standings, { ...gates, impatient: false }) &&
  ![TYPE.lds, TYPE.rds].some((url) => is(standings, url, (s) => arriving(s) || leaving(s) || s.type.refused.size > 0));

/** What of a type's needs may be sent now. What was asked for by name is answered at once: the client set that order. */
export const sendable = (url: TypeUrl, standings: Standings, gates: Gates): Needs => {
  const standing = standings.get(url);
  if (standing === undefined || standing.type.inFlight !== undefined) return NO_NEEDS;
  const { needs, type } = standing;
  const only = (upserts: boolean, removals: boolean): Needs =>
    (upserts || type.due || needs.upserts.length === 0) && (removals || needs.removals.length === 0)
      ? needs
      : { ...needs, upserts: upserts || type.due ? needs.upserts : [], removals: removals ? needs.removals : [] };
  switch (url) {
    case TYPE.cds:
      return only(true, needs.removals.length > 0 && nothingRefersBack(standings, gates));
    case TYPE.eds: {
      const clusters = standings.get(TYPE.cds)?.needs.upserts ?? [];
      if (clusters.length === 0 && needs.removals.length === 0) return needs;
      const followers = new Set(clusters.map((cluster) => cluster.name));
      // They follow their changed cluster, unless it waits for a response under way that in turn waits for them.
      const upserts = needs.upserts.filter(({ name }) => gates.refresh.has(name) || !followers.has(name));
      return { ...only(true, clustersGone(standings, gates)), upserts };
    }
    case TYPE.sds:
      return only(true, needs.removals.length > 0 && clustersGone(standings, gates));
    case TYPE.lds: {
      const open = foundationsReady(standings, gates);
      return only(open, open);
    }
    case TYPE.rds: {
      const listening = gates.impatient || !is(standings, TYPE.lds, (s) => arriving(s) || leaving(s));
      const open = foundationsReady(standings, gates) && listening;
      return only(open, open);
    }
    default:
      return needs;
  }
};

const clustersGone = (standings: Standings, gates: Gates): boolean =>
  nothingRefersBack(standings, gates) && !is(standings, TYPE.cds, leaving);

import type { Duration, Instant } from '../lib/time.ts';
import type { ServiceKey } from '../model/mesh.ts';

/** How long after its stream ended an instance may come back before callers stop being told of it. */
export const BACK_WITHIN: Duration = 3_000;
/** How long after a start nothing is withdrawn: Envoys come back with a back-off of seconds. See docs/decisions/0005. */
export const START_GRACE: Duration = 60_000;
/** Streams that end within this span of each other are one event. */
export const CROWD_WINDOW: Duration = 10_000;
/** For how long the members of a crowd are kept, in case the trouble is between them and Signet. */
export const CROWD_HOLD: Duration = 600_000;

/** One registered instance. */
export type Instance = {
  readonly node: string;
  readonly service: ServiceKey;
  /** When its last stream ended; `undefined` while one lives. */
  readonly leftAt: Instant | undefined;
};

/**
 * Why an instance that is away is kept: its time to come back (`soon`), the first minute after a start, a crowd, or that
 * no other of its service is live.
 */
export type KeptReason = 'soon' | 'start' | 'crowd' | 'last';

export type Kept = Instance & {
  readonly leftAt: Instant;
  readonly why: KeptReason;
  /** When it may be withdrawn at the earliest; `undefined` for the last. */
  readonly until: Instant | undefined;
};

export type Withdrawal = {
  readonly withdraw: readonly string[];
  /** The others that are away, and why they stay. */
  readonly kept: readonly Kept[];
  /** When to look again; `undefined` if nobody is away. */
  readonly again: Instant | undefined;
};

/** A departure that was withdrawn already still counts towards a crowd. */
export type Gone = { readonly service: ServiceKey; readonly at: Instant };

/**
 * Which instances are to be withdrawn now. In doubt nobody: an address too many costs a connection attempt, while an
 * address too few empties a working mesh. So never before `START_GRACE`, never a crowd before `CROWD_HOLD`, and never the
 * last instances of a service that has no live one.
 */
export const judgeDepartures = (
  instances: readonly Instance[],
  gone: readonly Gone[],
  startedAt: Instant,
  now: Instant,
): Withdrawal => {
  const live = new Set(instances.filter(({ leftAt }) => leftAt === undefined).map(({ service }) => service));
  const withdraw: string[] = [];
  const kept: Kept[] = [];
  const isCrowd = crowds(instances, gone);
  for (const instance of instances) {
    const { leftAt, node, service } = instance;
    if (leftAt === undefined) continue;
    const { why, until } = holdOf(leftAt, isCrowd(service, leftAt), startedAt);
    if (now < until) kept.push({ ...instance, leftAt, why, until });
    else if (live.has(service)) withdraw.push(node);
    else kept.push({ ...instance, leftAt, why: 'last', until: undefined });
  }
  const dues = kept.flatMap(({ until }) => (until === undefined ? [] : [until]));
  return { withdraw, kept, again: dues.length === 0 ? undefined : dues.reduce((a, b) => Math.min(a, b)) };
};

/** The longest of the reasons to keep it. */
const holdOf = (
  leftAt: Instant,
  crowd: boolean,
  startedAt: Instant,
): { readonly why: KeptReason; readonly until: Instant } => {
  const start = startedAt + START_GRACE;
  const until = leftAt + (crowd ? CROWD_HOLD : BACK_WITHIN);
  if (start >= until) return { why: 'start', until: start };
  return { why: crowd ? 'crowd' : 'soon', until };
};

/** Those of one service, or all: how many there are, and the moments at which some left, in their order. */
type Crowd = { present: number; readonly left: Instant[]; readonly lost: Instant[] };

/** Did a departure at that moment belong to a crowd? All are counted once; a thousand may leave together. */
const crowds = (instances: readonly Instance[], gone: readonly Gone[]): ((of: ServiceKey, at: Instant) => boolean) => {
  const everybody: Crowd = { present: 0, left: [], lost: [] };
  const byService = new Map<ServiceKey, Crowd>();
  const crowdsOf = (service: ServiceKey): readonly Crowd[] => {
    const own = byService.get(service) ?? { present: 0, left: [], lost: [] };
    byService.set(service, own);
    return [own, everybody];
  };
  for (const { service, leftAt } of instances) {
    for (const crowd of crowdsOf(service)) {
      crowd.present += 1;
      if (leftAt !== undefined) crowd.left.push(leftAt);
    }
  }
  for (const { service, at } of gone) for (const crowd of crowdsOf(service)) crowd.lost.push(at);
  for (const { left, lost } of [everybody, ...byService.values()]) for (const moments of [left, lost]) moments.sort(up);
  return (service, at) =>
    crowdsOf(service).some(({ present, left, lost }) => {
      const [leaving, before] = [near(left, at), near(lost, at)];
      // One instance that stops is no crowd, however small its service is.
      return leaving + before > 1 && (leaving + before) * 3 > present + before;
    });
};

const up = (a: Instant, b: Instant): number => a - b;

/** How many of these moments, which are in order, lie within `CROWD_WINDOW` of that one. */
const near = (moments: readonly Instant[], at: Instant): number =>
  countBelow(moments, at + CROWD_WINDOW + 1) - countBelow(moments, at - CROWD_WINDOW);

const countBelow = (moments: readonly Instant[], limit: Instant): number => {
  let [low, high] = [0, moments.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((moments[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low;
};

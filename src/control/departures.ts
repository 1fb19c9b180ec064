import type { Duration, Instant } from '../lib/time.ts';
import type { ServiceKey } from '../model/mesh.ts';

/** How long after its stream ended an instance may come back before callers stop being told of it. */
export const BACK_WITHIN: Duration = 3_000;
/** How long after a start nothing is withdrawn: Envoys come back with a back-off of seconds. */
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

export type Withdrawal = {
  readonly withdraw: readonly string[];
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
  const away = instances.filter((instance) => instance.leftAt !== undefined);
  const live = new Set(instances.filter(({ leftAt }) => leftAt === undefined).map(({ service }) => service));
  const withdraw: string[] = [];
  let again: Instant | undefined;
  for (const instance of away) {
    const leftAt = instance.leftAt ?? now;
    const hold = isCrowd(instance.service, leftAt, instances, gone) ? CROWD_HOLD : BACK_WITHIN;
    const due = Math.max(startedAt + START_GRACE, leftAt + hold);
    if (now < due) again = Math.min(again ?? due, due);
    else if (live.has(instance.service)) withdraw.push(instance.node);
  }
  return { withdraw, again };
};

const isCrowd = (service: ServiceKey, at: Instant, instances: readonly Instance[], gone: readonly Gone[]): boolean => {
  const near = (moment: Instant | undefined): boolean => moment !== undefined && Math.abs(moment - at) <= CROWD_WINDOW;
  const over = (pick: (candidate: { readonly service: ServiceKey }) => boolean): boolean => {
    const here = instances.filter(pick);
    const lost = gone.filter((departure) => pick(departure) && near(departure.at)).length;
    const leaving = here.filter(({ leftAt }) => near(leftAt)).length + lost;
    // One instance that stops is no crowd, however small its service is.
    return leaving > 1 && leaving * 3 > here.length + lost;
  };
  return over((candidate) => candidate.service === service) || over(() => true);
};

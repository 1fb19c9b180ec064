import { METADATA } from '../../envoy/bootstrap.ts';
import { keepNewest } from '../../lib/newest.ts';
import { type Duration, type Instant, showDuration } from '../../lib/time.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { repeats } from '../repeats.ts';

/** A sidecar whose clock disagrees with this host's. */
export type Drift = {
  readonly node: string;
  /** Its clock is ahead by so much; negative: behind. */
  readonly ahead: Duration;
  /** When it said so. */
  readonly at: Instant;
};

/** What the network and a queue may take of it, and half of what certificates are backdated by. */
export const DRIFT: Duration = 30_000;

const MOST_NODES = 10_000;
/** A clock is some other clock after so long. */
const STALE: Duration = 86_400_000;
/** The same of one node is said once in so long. */
const SAME: Duration = 600_000;

/**
 * The clocks of the sidecars, as far as they tell: `signet sidecar` says its time whenever it asks for its certificate, Envoy never does. One
 * that is off is named in the log once, and once more when it is right again.
 */
export class ClockDrift {
  readonly #clock: Clock;
  readonly #log: Log;
  #said: ReturnType<typeof repeats>;
  readonly #known = new Map<string, Drift>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#said = repeats(clock, SAME);
  }

  /** A node that is proven asked for its certificate; its metadata may say what time it has. */
  told(node: string, metadata: unknown): void {
    const theirs = timeIn(metadata);
    if (theirs === undefined) return;
    const now = this.#clock.now();
    const ahead = theirs - now;
    const before = this.#known.get(node);
    keepNewest(this.#known, node, { node, ahead, at: now }, MOST_NODES);
    if (isOff(ahead) === isOff(before?.ahead ?? 0)) return;
    // It is the node's own word, which it may change with every request.
    if (!this.#said.isNew(`${node} ${isOff(ahead)}`)) return;
    if (isOff(ahead)) this.#log.warn({ node, ms: ahead }, `clock drift: the clock of ${node} is ${showDrift(ahead)}`);
    else this.#log.info({ node }, `the clock of ${node} agrees with this host's again`);
  }

  /** This host's clock was set: what was told before says nothing now. */
  clockJumped(): void {
    this.#known.clear();
    this.#said = repeats(this.#clock, SAME);
  }

  /** How many told their time within the last day. */
  get size(): number {
    return this.#recent().length;
  }

  /** Who is off, furthest first. */
  list(): readonly Drift[] {
    return this.#recent()
      .filter(({ ahead }) => isOff(ahead))
      .sort((a, b) => Math.abs(b.ahead) - Math.abs(a.ahead));
  }

  #recent(): readonly Drift[] {
    const since = this.#clock.now() - STALE;
    return [...this.#known.values()].filter(({ at }) => at > since);
  }
}

const isOff = (ahead: Duration): boolean => Math.abs(ahead) > DRIFT;

/** `2h ahead`, `40s behind` */
export const showDrift = (ahead: Duration): string =>
  `${showDuration(Math.abs(ahead))} ${ahead > 0 ? 'ahead' : 'behind'}`;

const LAST = Date.UTC(9999, 11, 31);

const timeIn = (metadata: unknown): Instant | undefined => {
  if (typeof metadata !== 'object' || metadata === null) return undefined;
  const value: unknown = Object.entries(metadata).find(([name]) => name === METADATA.time)?.[1];
  return typeof value === 'number' && value >= 0 && value <= LAST ? value : undefined;
};

import { type Duration, type Instant, iso, showDuration } from '../../lib/time.ts';
import { type Clock, every } from '../clock.ts';
import type { Log, Observer } from '../log.ts';

/** The wall clock went another way than the one that nobody sets. */
export type ClockJump = {
  readonly at: Instant;
  /** Forward, or negative for back. */
  readonly by: Duration;
};

export type ClockWatchOptions = {
  readonly clock: Clock;
  /** The newest moment that is on record from before this start; `undefined` if there is none. */
  readonly lastKnown: Instant | undefined;
  /** Every deadline is to be looked at again. */
  readonly onJump: (jump: ClockJump) => void;
  readonly log: Log;
  readonly observer: Pick<Observer, 'clockJumped'>;
};

const LOOK_EVERY: Duration = 2_000;
/** What NTP does to a running clock is far less, and certificates count whole seconds. */
const JUMP: Duration = 1_000;
/** A process that stood still for longer has missed something. */
const STALL: Duration = 5_000;

/**
 * Compares the progress of the wall clock with that of the monotonic one, so that a sleep of the machine and a clock that is set are noticed
 * within two seconds of running. Which of the two a jump forward was cannot be known, and neither whether a clock that is set back was wrong
 * before or is now: `behind` keeps the second in mind.
 */
export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #wall: Instant;
  #monotonic: Duration;
  #behind: Duration = 0;
  #lastJump: ClockJump | undefined;
  readonly #cancel: () => void;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    const { clock, lastKnown, log } = options;
    this.#wall = clock.now();
    this.#monotonic = clock.monotonic();
    const gap = (lastKnown ?? this.#wall) - this.#wall;
    if (gap >= JUMP) {
      this.#behind = gap;
      this.#lastJump = { at: this.#wall, by: -gap };
      const fields = { lastKnown: iso(gap + this.#wall), now: iso(this.#wall) };
      log.warn(
        fields,
        `the clock of this host is ${showDuration(gap)} behind what the data directory has seen: it was set back; if it is wrong now, set it right (CHK0513)`,
      );
    }
    this.#cancel = every(clock, LOOK_EVERY, () => this.#look());
  }

  /**
   * How much later it may be than the wall clock says: by so much it was set back since the start, or before it. 0 where nothing is known
   * of that.
   */
  behind(): Duration {
    return this.#behind;
  }

  lastJump(): ClockJump | undefined {
    return this.#lastJump;
  }

  close(): void {
    this.#cancel();
  }

  #look(): void {
    const { clock, log } = this.#options;
    const [wall, monotonic] = [clock.now(), clock.monotonic()];
    const passed = monotonic - this.#monotonic;
    const by = Math.round(wall - this.#wall - passed);
    this.#wall = wall;
    this.#monotonic = monotonic;
    if (passed - LOOK_EVERY >= STALL) {
      log.warn(
        { ms: Math.round(passed) },
        `Signet stood still for ${showDuration(passed)}: it was stopped, or its host has no time for it`,
      );
    }
    if (Math.abs(by) >= JUMP) this.#jumped({ at: wall, by });
  }

  #jumped(jump: ClockJump): void {
    const { log, observer, onJump } = this.#options;
    const { by } = jump;
    this.#behind = Math.max(0, this.#behind - by);
    this.#lastJump = jump;
    observer.clockJumped(by > 0 ? 'forward' : 'back');
    const what =
      by > 0
        ? `the wall clock jumped forward by ${showDuration(by)}: this machine slept, or its clock was set`
        : `the wall clock was set back by ${showDuration(-by)} (if it is wrong now, set it right: CHK0513)`;
    log.warn({ ms: by }, `${what}; every deadline is looked at again`);
    onJump(jump);
  }
}

import type { Store } from '../lib/store.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Clock } from './clock.ts';
import { CLOCK_RECORD_KEY, decodeJson, encodeJson } from './keys.ts';

/** What the wall clock said at most, when Signet had run for so long in all. */
type Said = { readonly ran: Duration; readonly wall: Instant };

/** Notes that are closer together count as one, so that starting again and again makes no more of them. */
const APART: Duration = 1_800_000;

/**
 * What the wall clock said over the hours that Signet ran, by the clock that nobody sets, over restarts too. Whatever lets more
 * through, or is dropped for good, because its time is over goes by this one: a wall clock that goes wrong for a while would do it
 * too early.
 */
export class ClockRecord {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #since: Duration;
  readonly #ranBefore: Duration;
  #said: readonly Said[];

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#since = clock.monotonic();
    this.#said = decodeJson<readonly Said[]>(store.get(CLOCK_RECORD_KEY)) ?? [];
    this.#ranBefore = this.#said.at(-1)?.ran ?? 0;
  }

  /** Notes what the clock says now; notes that `atLeast` of `longest` does not need are dropped. @throws AppError the store's */
  async note(longest: Duration): Promise<void> {
    const [ran, wall] = [this.#ran(), this.#clock.now()];
    const [before, last] = [this.#said.at(-2), this.#said.at(-1)];
    // The newest one always stands, so that a Signet that never runs for long comes on, too.
    const joins = before !== undefined && last !== undefined && last.ran - before.ran < APART;
    const all = joins
      ? [...this.#said.slice(0, -1), { ran, wall: Math.min(last.wall + ran - last.ran, wall) }]
      : [...this.#said, { ran, wall }];
    const first = all.findLastIndex((one) => ran - one.ran >= longest);
    const said = all.slice(Math.max(0, first));
    await this.#store.commit([{ key: CLOCK_RECORD_KEY, value: encodeJson(said) }]);
    this.#said = said;
  }

  /**
   * It is at least so late: the earliest that it can be by all that the wall clock said in the last `span` of running, carried on by
   * the clock that nobody sets. What is over then is over by both. 1970 while Signet has not run for so long.
   */
  atLeast(span: Duration): Instant {
    const ran = this.#ran();
    const first = this.#said.findLastIndex((one) => ran - one.ran >= span);
    if (first < 0) return 0;
    return Math.min(this.#clock.now(), ...this.#said.slice(first).map((one) => one.wall + ran - one.ran));
  }

  #ran(): Duration {
    return this.#ranBefore + this.#clock.monotonic() - this.#since;
  }
}

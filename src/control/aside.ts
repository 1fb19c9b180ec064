import type { Duration } from '../lib/time.ts';
import type { Clock } from './clock.ts';

/** Who waits longer for a certificate, as from a signer that does not answer, keeps no other from its turn. */
const PATIENCE: Duration = 500;

type Waiting = { readonly since: Duration; counts: boolean };

/** Counts those in hand that have been waiting for long. One timer for all: nearly everybody waits for a moment only. */
export class Aside {
  readonly #clock: Clock;
  readonly #counted: () => void;
  /** The longest first. */
  readonly #waiting = new Set<Waiting>();
  #count = 0;
  #cancel: (() => void) | undefined;

  /** `counted` is called whenever there is one more. */
  constructor(clock: Clock, counted: () => void) {
    this.#clock = clock;
    this.#counted = counted;
  }

  get count(): number {
    return this.#count;
  }

  /** What `waited` comes to; one more is counted from `PATIENCE` on until then. */
  async wait<T>(waited: Promise<T>): Promise<T> {
    const mine = { since: this.#clock.monotonic(), counts: false };
    this.#waiting.add(mine);
    this.#cancel ??= this.#clock.after(PATIENCE, () => this.#look());
    try {
      return await waited;
    } finally {
      this.#waiting.delete(mine);
      if (mine.counts) this.#count -= 1;
      if (this.#waiting.size === 0) this.#rest();
    }
  }

  #rest(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    const now = this.#clock.monotonic();
    const before = this.#count;
    for (const one of this.#waiting) {
      if (one.counts) continue;
      const left = one.since + PATIENCE - now;
      if (left > 0) {
        this.#cancel = this.#clock.after(left, () => this.#look());
        break;
      }
      one.counts = true;
      this.#count += 1;
    }
    if (this.#count > before) this.#counted();
  }
}

import type { Duration } from '../lib/time.ts';
import type { Clock } from './clock.ts';

/** Who waits longer for a certificate, as from a signer that does not answer, keeps no other from its turn. */
const PATIENCE: Duration = 500;

/** Counts those in hand that have been waiting for long. */
export class Aside {
  readonly #clock: Clock;
  readonly #counted: () => void;
  #count = 0;

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
    let counts = 0;
    const cancel = this.#clock.after(PATIENCE, () => {
      counts = 1;
      this.#count += counts;
      this.#counted();
    });
    try {
      return await waited;
    } finally {
      cancel();
      this.#count -= counts;
    }
  }
}

import type { Duration, Instant } from '../lib/time.ts';
import type { StreamId } from '../xds/events.ts';
import type { Clock } from './clock.ts';

/** A stream ends between these shares of what its certificate had left when it opened: before it, and not all at once. */
const SOONEST = 0.8;
const LATEST = 0.95;

/** A jump of the wall clock is noticed within this. */
const LOOK_EVERY: Duration = 30_000;

/** Streams that were opened with a certificate: none outlives it, so that time alone never widens access. */
export class StreamEnds {
  readonly #clock: Clock;
  readonly #end: (stream: StreamId) => void;
  readonly #due = new Map<StreamId, Instant>();
  #wake: { readonly at: Instant; readonly cancel: () => void } | undefined;

  /** `end` is called once for each stream that is due. */
  constructor(clock: Clock, end: (stream: StreamId) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  add(stream: StreamId, notAfter: Instant): void {
    const now = this.#clock.now();
    const at = now + (notAfter - now) * (SOONEST + (LATEST - SOONEST) * Math.random());
    this.#due.set(stream, at);
    this.#wakeAt(at);
  }

  remove(stream: StreamId): void {
    this.#due.delete(stream);
  }

  close(): void {
    this.#wake?.cancel();
    this.#due.clear();
  }

  #wakeAt(at: Instant): void {
    if (this.#wake !== undefined && this.#wake.at <= at) return;
    this.#wake?.cancel();
    const wait = Math.min(Math.max(at - this.#clock.now(), 0), LOOK_EVERY);
    this.#wake = { at, cancel: this.#clock.after(wait, () => this.#look()) };
  }

  #look(): void {
    this.#wake = undefined;
    const now = this.#clock.now();
    for (const [stream, at] of this.#due) {
      if (at > now) continue;
      this.#due.delete(stream);
      this.#end(stream);
    }
    if (this.#due.size > 0) this.#wakeAt(Math.min(...this.#due.values()));
  }
}

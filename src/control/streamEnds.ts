import type { Duration, Instant } from '../lib/time.ts';
import type { StreamId } from '../xds/events.ts';
import { type Clock, type Deadline, deadlineAt, timeUntil } from './clock.ts';

/** A stream ends between these shares of what its certificate had left when it opened: before it, and not all at once. */
const SOONEST = 0.8;
const LATEST = 0.95;

/** A wall clock that was set forward is noticed within this; one that was set back puts nothing off. */
const LOOK_EVERY: Duration = 30_000;

/** Streams that were opened with a certificate: none outlives it, so that time alone never widens access. */
export class StreamEnds {
  readonly #clock: Clock;
  readonly #end: (stream: StreamId) => void;
  readonly #due = new Map<StreamId, Deadline>();
  #wake: { readonly at: Deadline; readonly cancel: () => void } | undefined;

  /** `end` is called once for each stream that is due. */
  constructor(clock: Clock, end: (stream: StreamId) => void) {
    this.#clock = clock;
    this.#end = end;
  }

  add(stream: StreamId, notAfter: Instant): void {
    const now = this.#clock.now();
    const share = SOONEST + (LATEST - SOONEST) * Math.random();
    const at = deadlineAt(this.#clock, now + (notAfter - now) * share);
    this.#due.set(stream, at);
    this.#wakeAt(at);
  }

  remove(stream: StreamId): void {
    this.#due.delete(stream);
  }

  /** The wall clock is another one. */
  clockJumped(): void {
    this.#wake?.cancel();
    this.#look();
  }

  close(): void {
    this.#wake?.cancel();
    this.#due.clear();
  }

  #wakeAt(at: Deadline): void {
    const wait = timeUntil(this.#clock, at);
    if (this.#wake !== undefined && timeUntil(this.#clock, this.#wake.at) <= wait) return;
    this.#wake?.cancel();
    const cancel = this.#clock.after(Math.min(Math.max(wait, 0), LOOK_EVERY), () => this.#look());
    this.#wake = { at, cancel };
  }

  #look(): void {
    this.#wake = undefined;
    let next: Deadline | undefined;
    for (const [stream, at] of this.#due) {
      if (timeUntil(this.#clock, at) <= 0) {
        this.#due.delete(stream);
        this.#end(stream);
      } else if (next === undefined || timeUntil(this.#clock, at) < timeUntil(this.#clock, next)) next = at;
    }
    if (next !== undefined) this.#wakeAt(next);
  }
}

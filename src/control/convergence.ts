import type { Duration, Instant } from '../lib/time.ts';
import type { StreamId } from '../xds/events.ts';
import type { Progress } from '../xds/sessionState.ts';

/** Measures from a save of the file to the last sidecar's ACK. */
export class Convergence {
  readonly #observe: (span: Duration) => void;
  readonly #unsettled = new Set<StreamId>();
  #save: { readonly noticedAt: Instant; readonly revision: string; published: boolean } | undefined;

  constructor(observe: (span: Duration) => void) {
    this.#observe = observe;
  }

  saved(revision: string, noticedAt: Instant): void {
    this.#save = { revision, noticedAt, published: false };
  }

  /** Every sidecar was published its part of that mesh. */
  published(revision: string, now: Instant): void {
    if (this.#save?.revision !== revision) return;
    this.#save.published = true;
    this.#check(now);
  }

  progress(stream: StreamId, progress: Progress | 'gone', now: Instant): void {
    if (progress === 'settled' || progress === 'gone') this.#unsettled.delete(stream);
    else this.#unsettled.add(stream);
    this.#check(now);
  }

  #check(now: Instant): void {
    if (this.#save?.published !== true || this.#unsettled.size > 0) return;
    this.#observe(Math.max(0, now - this.#save.noticedAt));
    this.#save = undefined;
  }
}

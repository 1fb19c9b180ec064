import type { Duration } from '../../lib/time.ts';
import type { Clock } from '../clock.ts';
import type { StreamId } from '../sidecar.ts';

/** Renewed together: they share a write to the disk, and what follows from it. */
const BATCH = 8;
/** After each batch: some 120 certificates a second, a tenth of the processor. */
const REST: Duration = 60;

export type RenewalLaneOptions = {
  readonly clock: Clock;
  /** Something more urgent waits: nothing is begun. */
  readonly yields: () => boolean;
  /** Gets one stream its certificate; never rejects. */
  readonly renew: (stream: StreamId) => Promise<void>;
  /** These were renewed. */
  readonly renewed: (streams: readonly StreamId[]) => void;
};

/**
 * Sidecars whose certificate is due and good for a while, a few at once, unhurried, and only while no push waits: however many fall due together,
 * no push waits for them. Those that wait here too long are taken out of turn by whoever knows their end.
 */
export class RenewalLane {
  readonly #options: RenewalLaneOptions;
  readonly #waiting = new Set<StreamId>();
  readonly #inHand = new Set<StreamId>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: RenewalLaneOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size + this.#inHand.size;
  }

  has(stream: StreamId): boolean {
    return this.#waiting.has(stream) || this.#inHand.has(stream);
  }

  add(streams: readonly StreamId[]): void {
    for (const stream of streams) if (!this.#inHand.has(stream)) this.#waiting.add(stream);
    if (this.#inHand.size === 0 && this.#cancel === undefined) void this.#next();
  }

  remove(stream: StreamId): void {
    this.#waiting.delete(stream);
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#cancel?.();
  }

  async #next(): Promise<void> {
    if (this.#waiting.size > 0 && this.#options.yields()) return this.#rest();
    for (const stream of this.#waiting) {
      if (this.#inHand.size === BATCH) break;
      this.#waiting.delete(stream);
      this.#inHand.add(stream);
    }
    const batch = [...this.#inHand];
    if (batch.length === 0) return;
    await Promise.all(batch.map(this.#options.renew));
    this.#inHand.clear();
    if (this.#closed) return;
    this.#options.renewed(batch);
    this.#rest();
  }

  #rest(): void {
    this.#cancel = this.#options.clock.after(REST, () => {
      this.#cancel = undefined;
      void this.#next();
    });
  }
}

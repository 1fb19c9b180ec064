import type { StreamId } from './sidecar.ts';

/**
 * What goes first: what the sidecar itself enforces or proves (policy, mTLS mode, identity, secrets); then addresses, and
 * sidecars that have nothing yet; then what it is told of others; and last the certificates that were renewed in good time.
 */
export type Urgency = 'security' | 'endpoints' | 'rest' | 'renewal';

/** One sidecar to look at; with `plan` if its plan may be another. */
export type Work = { readonly stream: StreamId; readonly urgency: Urgency; readonly plan: boolean };

/** Sidecars that wait, each once, the most urgent first and then in the order they came. */
export class WorkQueue {
  readonly #waiting: Readonly<Record<Urgency, Map<StreamId, Work>>> = {
    security: new Map(),
    endpoints: new Map(),
    rest: new Map(),
    renewal: new Map(),
  };
  /** In somebody's hands; what came for them since waits until they are done, so that nothing older overtakes it. */
  readonly #taken = new Set<StreamId>();

  get size(): number {
    const { security, endpoints, rest, renewal } = this.#waiting;
    return security.size + endpoints.size + rest.size + renewal.size;
  }

  add({ stream, urgency, plan }: Work): void {
    const before = this.#workOf(stream);
    const most = before !== undefined && rankOf(before.urgency) < rankOf(urgency) ? before.urgency : urgency;
    // In a storm every arrival marks all who wait: what stays as it is costs nothing.
    if (before?.urgency === most && (before.plan || !plan)) return;
    if (before !== undefined && before.urgency !== most) this.#waiting[before.urgency].delete(stream);
    this.#waiting[most].set(stream, { stream, urgency: most, plan: plan || before?.plan === true });
  }

  remove(stream: StreamId): void {
    for (const level of LEVELS) this.#waiting[level].delete(stream);
  }

  clear(): void {
    for (const level of LEVELS) this.#waiting[level].clear();
  }

  /** The next one; to be given back with `done`. */
  take(): Work | undefined {
    const work = this.#first();
    if (work === undefined) return undefined;
    this.#waiting[work.urgency].delete(work.stream);
    this.#taken.add(work.stream);
    return work;
  }

  /** The next one is more than a certificate renewed in good time. */
  hasPush(): boolean {
    const next = this.#first();
    return next !== undefined && next.urgency !== 'renewal';
  }

  /** In somebody's hands: what is known of it is about to be another. */
  isTaken(stream: StreamId): boolean {
    return this.#taken.has(stream);
  }

  done(stream: StreamId): void {
    this.#taken.delete(stream);
  }

  #first(): Work | undefined {
    for (const level of LEVELS) {
      const waiting = this.#waiting[level];
      if (waiting.size === 0) continue;
      for (const work of waiting.values()) if (!this.#taken.has(work.stream)) return work;
    }
    return undefined;
  }

  #workOf(stream: StreamId): Work | undefined {
    const { security, endpoints, rest, renewal } = this.#waiting;
    return security.get(stream) ?? endpoints.get(stream) ?? rest.get(stream) ?? renewal.get(stream);
  }
}

const LEVELS: readonly Urgency[] = ['security', 'endpoints', 'rest', 'renewal'];

const rankOf = (urgency: Urgency): number => LEVELS.indexOf(urgency);

import { TYPE } from '../../src/xds/resource.ts';
import type { StreamEvent, StreamId } from '../../src/xds/server.ts';
import { newSession, turn } from '../../src/xds/session.ts';
import type { SessionEvent, SessionResponse, SessionState } from '../../src/xds/sessionState.ts';

/** A sidecar: the real session on this side, and what Envoy would hold on the other. */
export class SimulatedSidecar {
  readonly held = new Map<string, Map<string, { version: string; text: string }>>();
  readonly refuses: boolean;
  readonly stream: StreamId;
  deaf = false;
  #session: SessionState = newSession();
  readonly #unheard: SessionResponse[] = [];
  readonly #tell: (event: StreamEvent) => void;
  readonly #now: () => number;

  constructor(stream: StreamId, refuses: boolean, now: () => number, tell: (event: StreamEvent) => void) {
    this.stream = stream;
    this.refuses = refuses;
    this.#tell = tell;
    this.#now = now;
  }

  feed(event: SessionEvent): void {
    const { state, responses, notices } = turn(this.#session, event);
    this.#session = state;
    for (const notice of notices) {
      if (notice.kind === 'overrun') throw new Error(notice.message);
      this.#tell({ ...notice, stream: this.stream, at: this.#now() });
    }
    for (const response of responses) {
      this.#unheard.push(response);
      this.feed({ kind: 'written' });
    }
  }

  /** As Envoy starts, or comes back with what it holds. */
  start(): void {
    this.#ask(TYPE.cds, [], this.#versions(TYPE.cds));
    // Who comes back asks for what belongs to what it holds without being told of it again.
    this.#resume(TYPE.cds, TYPE.eds);
    this.#ask(TYPE.lds, [], this.#versions(TYPE.lds));
    this.#resume(TYPE.lds, TYPE.rds);
  }

  #resume(of: string, type: string): void {
    const held = this.held.get(of);
    if (held !== undefined && held.size > 0) this.#follow(type, held.keys());
  }

  hear(): boolean {
    if (this.deaf) return false;
    const response = this.#unheard.shift();
    if (response === undefined) return this.#wait();
    const bad = response.type === TYPE.rds && this.refuses;
    const refused = bad ? response.resources.filter(({ any }) => Buffer.from(any).includes('/bad')) : [];
    const held = this.held.get(response.type) ?? new Map();
    this.held.set(response.type, held);
    for (const { name, version, any } of response.resources) {
      // Envoy takes the rest of what it does not name; here it names.
      if (!refused.some((r) => r.name === name)) held.set(name, { version, text: Buffer.from(any).toString('latin1') });
    }
    for (const name of response.removed) held.delete(name);
    const error = refused.length === 0 ? undefined : `bad: ${refused.map(({ name }) => name).join(' ')}`;
    this.#request(response.type, response.nonce, error, [], [], new Map());
    if (response.type === TYPE.cds) this.#follow(TYPE.eds, held.keys());
    if (response.type === TYPE.lds) this.#follow(TYPE.rds, held.keys());
    return true;
  }

  #wait(): boolean {
    if (!this.#session.holding) return false;
    this.feed({ kind: 'waited' });
    return true;
  }

  readonly #names = new Map<string, Set<string>>();

  /** Names like clusters are wanted of EDS, and like listeners of RDS (the shared outbound port has its own). */
  #follow(type: string, of: Iterable<string>): void {
    const rds = type === TYPE.rds;
    const wanted = new Set([...of].map((name) => (rds && name === 'outbound/15001' ? 'outbound' : name)));
    const before = this.#names.get(type);
    this.#names.set(type, wanted);
    const subscribe = [...wanted].filter((name) => !before?.has(name));
    const unsubscribe = [...(before ?? [])].filter((name) => !wanted.has(name));
    for (const name of unsubscribe) this.held.get(type)?.delete(name);
    if (before === undefined) this.#ask(type, subscribe, this.#versions(type));
    else if (subscribe.length + unsubscribe.length > 0)
      this.#request(type, '', undefined, subscribe, unsubscribe, new Map());
  }

  #versions(type: string): ReadonlyMap<string, string> {
    return new Map([...(this.held.get(type) ?? [])].map(([name, { version }]) => [name, version]));
  }

  #ask(type: string, subscribe: readonly string[], initialResourceVersions: ReadonlyMap<string, string>): void {
    this.#request(type, '', undefined, subscribe, [], initialResourceVersions);
  }

  #request(
    type: string,
    nonce: string,
    error: string | undefined,
    subscribe: readonly string[],
    unsubscribe: readonly string[],
    initialResourceVersions: ReadonlyMap<string, string>,
  ): void {
    this.feed({
      kind: 'request',
      variant: 'delta',
      type,
      nonce,
      error,
      subscribe,
      unsubscribe,
      initialResourceVersions,
    });
  }

  progress(): string {
    return this.#session.progress;
  }
}

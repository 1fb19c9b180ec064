import type { Emitted } from '../emit/emitted.ts';
import type { Result } from '../lib/result.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';
import { sourceOf } from '../xds/crowd.ts';
import type { StreamEvent, StreamId } from '../xds/events.ts';
import { afterEvent, type SidecarRecord } from '../xds/ledger.ts';
import { TYPE, type TypeUrl, typeNameOf } from '../xds/resource.ts';
import type { Progress } from '../xds/sessionState.ts';
import { type Admission, type NodeClaim, registersItself } from './admission.ts';
import { type Clock, every } from './clock.ts';
import { type CondensedLog, newCondensedLog } from './condensedLog.ts';
import type { Convergence } from './convergence.ts';
import type { EndpointTracker } from './endpointTracker.ts';
import type { JoinTokens } from './joinTokens.ts';
import type { Log, Observer } from './log.ts';
import type { Quarantine } from './quarantine.ts';
import type { Reconciler } from './reconciler.ts';
import { certificateEnds, type Refusal, unauthenticated } from './refusals.ts';
import { repeats } from './repeats.ts';
import type { Caller, Sidecar } from './sidecar.ts';
import { explainNack } from './status.ts';
import { StreamEnds } from './streamEnds.ts';

export type FleetOptions = {
  readonly clock: Clock;
  readonly tokens: JoinTokens;
  readonly admission: Admission;
  readonly mesh: () => Mesh;
  readonly tracker: EndpointTracker;
  readonly reconciler: Reconciler;
  readonly quarantine: Quarantine;
  readonly convergence: Convergence;
  /** Whatever happens on an admitted stream, in order. */
  readonly follow: (sidecar: Sidecar, event: StreamEvent) => void;
  readonly end: (stream: StreamId, refusal: Refusal) => void;
  readonly log: Log;
  readonly observer: Observer;
};

export type Member = { readonly sidecar: Sidecar; readonly record: SidecarRecord };

/** A member's own record is written into it: some twenty events come with each sidecar. */
type Followed = Member & { record: SidecarRecord };

/** How often the store is told who is here, so that a crash forgets little of it. */
const NOTE_EVERY: Duration = 600_000;

/** The same refusal of the same token and source is logged once in so long. */
const SAME_REFUSAL: Duration = 600_000;

/** Only a NACK is held against the plan. */
const NOTHING_EMITTED: readonly Emitted[] = Object.freeze([]);

/** Of the name that a client gives itself, which may be long. */
const MOST_AGENT = 128;

/** A type that Signet does not serve has a name of the client's own making: no label of a metric, and nothing for the log. */
const typeLabel = (url: TypeUrl): string => typeNameOf(url) ?? 'other';

/** The connected sidecars: lets them in, follows what happens on their streams, and sends them away. */
export class Fleet {
  readonly #options: FleetOptions;
  /** Admitted, and not yet opened. */
  readonly #admitted = new Map<StreamId, Sidecar>();
  readonly #members = new Map<StreamId, Followed>();
  readonly #logged = new WeakSet<Refusal>();
  readonly #refusals: ReturnType<typeof repeats>;
  readonly #ends: StreamEnds;
  /** Who comes and goes may do so eight times a second. */
  readonly #comings: CondensedLog;
  readonly #cancelNote: () => void;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#refusals = repeats(options.clock, SAME_REFUSAL);
    this.#ends = new StreamEnds(options.clock, (stream) => options.end(stream, certificateEnds()));
    this.#comings = newCondensedLog(options.clock, options.log);
    this.#cancelNote = every(options.clock, NOTE_EVERY, () => void this.noteMembers());
  }

  members(): readonly Member[] {
    return [...this.#members.values()].map(({ sidecar, record }) => {
      const progress = this.#progressOf(sidecar, record.progress);
      return { sidecar, record: progress === record.progress ? record : { ...record, progress } };
    });
  }

  /** As their streams told it, without what the quarantine makes of it. */
  streams(): readonly Member[] {
    return [...this.#members.values()];
  }

  member(stream: StreamId): Member | undefined {
    return this.#members.get(stream);
  }

  /** The wall clock is another one. */
  clockJumped(): void {
    this.#ends.clockJumped();
  }

  /** These may be kept from other things than before. */
  quarantineChanged(streams: ReadonlySet<StreamId>): void {
    const { convergence, clock } = this.#options;
    for (const stream of streams) {
      const member = this.#members.get(stream);
      if (member === undefined) continue;
      convergence.progress(stream, this.#progressOf(member.sidecar, member.record.progress), clock.now());
    }
  }

  nodeOf(stream: StreamId): string | undefined {
    return this.#members.get(stream)?.sidecar.node;
  }

  get size(): number {
    return this.#members.size;
  }

  async admit(caller: Caller, node: NodeClaim, stream: StreamId): Promise<Result<void, Refusal>> {
    const admitted = await this.#options.admission.admit(caller, node, stream);
    if (!admitted.ok) {
      const { code, message } = admitted.error;
      const claimed = node.id.slice(0, 256);
      const who = { node: claimed, token: caller.token, peer: caller.peer.address, code };
      // Not by its node: whoever holds one token can claim a new one each time, and fill the log with them.
      if (this.#refusals.isNew(`${who.token} ${sourceOf(who.peer)} ${message}`)) this.#options.log.warn(who, message);
      this.#logged.add(admitted.error);
      return admitted;
    }
    this.#admitted.set(stream, admitted.value);
    return { ok: true, value: undefined };
  }

  onEvent(event: StreamEvent): void {
    switch (event.kind) {
      case 'opened':
        this.#opened(event);
        break;
      // Nearly half of all events, and none that says what a sidecar can use.
      case 'asked':
      case 'sent':
        this.#note(event);
        break;
      default:
        this.#follow(event);
    }
  }

  #note(event: StreamEvent): void {
    const member = this.#members.get(event.stream);
    const record = member && afterEvent(member.record, event);
    if (member !== undefined && record !== undefined) member.record = record;
  }

  #follow(event: Exclude<StreamEvent, { readonly kind: 'opened' }>): void {
    const { stream } = event;
    if (event.kind === 'refused') this.#options.observer.refused(event.refusal.code);
    const member = this.#members.get(stream);
    if (member === undefined) {
      if (event.kind === 'refused') this.#turnedAway(event);
      return;
    }
    this.#learn(member.sidecar, event);
    this.#options.follow(member.sidecar, event);
    const record = afterEvent(member.record, this.#withOwnRefusals(member.sidecar, event));
    if (record !== undefined) member.record = record;
    this.#tell(member.sidecar, event);
  }

  #learn(sidecar: Sidecar, event: StreamEvent): void {
    if (event.kind === 'progress' && event.progress !== 'settled') return;
    if (event.kind === 'acked' && event.type === TYPE.sds) return;
    const { quarantine, reconciler, log } = this.#options;
    const { stream, node, service } = sidecar;
    const emitted = event.kind === 'nacked' ? reconciler.emittedFor(stream) : NOTHING_EMITTED;
    const { concerns, refusals } = quarantine.follow(sidecar, event, {
      snapshot: reconciler.snapshotOf(stream),
      emitted,
    });
    if (concerns === 'nobody') return;
    if (refusals.length > 0) {
      const names = refusals.map(({ name }) => name);
      const who = concerns === 'service' ? 'no other sidecar of this service is sent it' : 'others took it';
      log.warn({ node, names }, `quarantined until its content changes: ${who}; the last good version stays in force`);
    }
    reconciler.markQuarantine(service, concerns === 'sidecar' ? node : undefined);
  }

  /** Who took the last good form in place of what it refused has still refused it. */
  #withOwnRefusals(sidecar: Sidecar, event: StreamEvent): StreamEvent {
    if (event.kind !== 'acked' || event.stillRefused) return event;
    const withheld = this.#options.quarantine.withheld(sidecar);
    if (withheld.length === 0) return event;
    const own = withheld.some(({ refusal }) => refusal.type === event.type && refusal.by.has(sidecar.node));
    return own ? { ...event, stillRefused: true } : event;
  }

  /** Who is kept from something that the mesh says has not got everything. */
  #progressOf(sidecar: Sidecar, progress: Progress): Progress {
    if (progress !== 'settled') return progress;
    const { quarantine, reconciler } = this.#options;
    const isKept = quarantine.withheld(sidecar).length > 0 || reconciler.troubleOf(sidecar.stream) !== undefined;
    return isKept ? 'refused' : progress;
  }

  /** Ends the streams of everybody that joined with this token, and withdraws their addresses. */
  dismissToken(token: string): void {
    this.dismiss(new Set(), new Set([token]));
  }

  /** The same for these nodes and for everybody that joined with one of these tokens, at once. */
  dismiss(nodes: ReadonlySet<string>, byToken: ReadonlySet<string>): void {
    this.#dismiss(({ sidecar }) => nodes.has(sidecar.node) || byToken.has(sidecar.token), unauthenticated());
    const { tokens, tracker } = this.#options;
    const joined = tokens.claims().filter(({ token }) => byToken.has(token));
    tracker.expel([...new Set([...nodes, ...joined.map(({ node }) => node)])]);
  }

  /** Another mesh: other services may be called at the addresses of their sidecars. */
  meshChanged(): void {
    const { tracker, mesh } = this.#options;
    for (const { sidecar } of this.#members.values()) this.#register(sidecar);
    const gone = tracker.list().filter(({ service: key }) => {
      const service = mesh().services.get(key);
      return service === undefined || !registersItself(service);
    });
    tracker.expel(gone.map(({ node }) => node));
  }

  async close(): Promise<void> {
    this.#cancelNote();
    this.#ends.close();
    this.#comings.close();
    await this.noteMembers();
  }

  /** Tells the store who is here now. */
  noteMembers(): Promise<void> {
    return this.#seen([...this.#members.values()].map(({ sidecar }) => sidecar.node));
  }

  #dismiss(who: (member: Member) => boolean, refusal: Refusal): void {
    for (const member of [...this.#members.values()].filter(who)) this.#options.end(member.sidecar.stream, refusal);
  }

  #opened(event: StreamEvent & { readonly kind: 'opened' }): void {
    const { stream } = event;
    const { tokens, reconciler, convergence, end } = this.#options;
    const sidecar = this.#admitted.get(stream);
    const record = afterEvent(undefined, event);
    this.#admitted.delete(stream);
    if (sidecar === undefined || record === undefined) {
      end(stream, unauthenticated());
      return;
    }
    this.#members.set(stream, { sidecar, record });
    convergence.progress(stream, record.progress, event.at);
    const { node, address, peer } = sidecar;
    // Revoked in the moment between its admission and now.
    if (tokens.get(sidecar.token)?.revokedAt !== undefined || tokens.isBarred(node, sidecar.token)) {
      end(stream, unauthenticated());
      return;
    }
    if (sidecar.certificateEnds !== undefined) this.#ends.add(stream, sidecar.certificateEnds);
    this.#register(sidecar);
    reconciler.add(sidecar);
    const agent = event.node.userAgent.slice(0, MOST_AGENT);
    this.#comings.say('info', { node, peer, address, agent }, 'sidecar connected');
  }

  #register({ stream, node, service: key, address }: Sidecar): void {
    const { tracker, mesh } = this.#options;
    const service = mesh().services.get(key);
    if (address === undefined || service === undefined || !registersItself(service)) return;
    tracker.arrived(stream, node, key, address);
  }

  #tell(sidecar: Sidecar, event: StreamEvent): void {
    const { log, observer, convergence, reconciler } = this.#options;
    const { node } = sidecar;
    switch (event.kind) {
      case 'acked':
        observer.pushed(typeLabel(event.type), 'acked');
        break;
      case 'nacked': {
        const type = typeLabel(event.type);
        observer.pushed(type, 'nacked');
        // A stream that comes again and again refuses the same each time.
        if (!this.#refusals.isNew(`${node} NACK ${type} ${event.version}`)) break;
        const words = event.type === TYPE.sds ? [] : reconciler.emittedFor(sidecar.stream);
        log.warn({ node, type, version: event.version }, `NACK: ${explainNack(event.error, event.resources, words)}`);
        break;
      }
      case 'progress':
        convergence.progress(sidecar.stream, this.#progressOf(sidecar, event.progress), event.at);
        break;
      case 'refused':
        this.#comings.say('warn', { node, code: event.refusal.code }, `stream ended: ${event.refusal.message}`);
        break;
      case 'closed':
        this.#closed(sidecar, event.at);
        break;
      default:
        break;
    }
  }

  #closed(sidecar: Sidecar, now: Instant): void {
    const { tracker, reconciler, convergence } = this.#options;
    this.#members.delete(sidecar.stream);
    this.#ends.remove(sidecar.stream);
    reconciler.remove(sidecar.stream);
    tracker.left(sidecar.stream, sidecar.node);
    convergence.progress(sidecar.stream, 'gone', now);
    void this.#seen([sidecar.node]);
    this.#comings.say('info', { node: sidecar.node, peer: sidecar.peer }, 'sidecar disconnected');
  }

  #turnedAway(event: StreamEvent & { readonly kind: 'refused' }): void {
    const { refusal, peer } = event;
    this.#admitted.delete(event.stream);
    if (this.#logged.has(refusal)) return;
    // What is wrong with bytes has as many words as there are bytes.
    const why = refusal.code === 'invalid_argument' ? refusal.code : refusal.message;
    if (this.#refusals.isNew(`${sourceOf(peer.address)} ${why}`)) {
      this.#options.log.warn({ peer: peer.address, code: refusal.code }, refusal.message);
    }
  }

  async #seen(nodes: readonly string[]): Promise<void> {
    try {
      await this.#options.tokens.seen(nodes, this.#options.clock.now());
    } catch (error) {
      this.#options.log.error({ err: error }, 'the store did not take who was seen last');
    }
  }
}

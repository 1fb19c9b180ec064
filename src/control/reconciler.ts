import { emitProxy } from '../emit/emitProxy.ts';
import { emitSecrets } from '../emit/emitSecrets.ts';
import type { Emitted } from '../emit/emitted.ts';
import { emitGrpcClient } from '../emit/grpcClient.ts';
import { messageOf } from '../lib/errors.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh, ServiceKey } from '../model/mesh.ts';
import { nextChange } from '../plan/nextChange.ts';
import { planProxy } from '../plan/planProxy.ts';
import type { EndpointTable, ProxyPlan } from '../plan/proxyPlan.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { Snapshot } from '../xds/resource.ts';
import { assemble } from './assemble.ts';
import type { Clock } from './clock.ts';
import { permissionDenied, type Refusal } from './refusals.ts';
import type { Sidecar, StreamId } from './sidecar.ts';

export type ReconcilerOptions = {
  readonly clock: Clock;
  readonly mesh: () => Mesh;
  readonly endpoints: () => EndpointTable;
  readonly bundle: () => TrustBundle;
  /** The certificate in force for an instance, a new one if none is or if it is due. */
  readonly svid: (node: string, id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  /** From when on it is due; jitter included. */
  readonly renewalTime: (svid: X509Svid, node: string) => Instant;
  readonly publish: (stream: StreamId, snapshot: Snapshot) => void;
  readonly end: (stream: StreamId, refusal: Refusal) => void;
  /** Every sidecar has the plan of this mesh; `changed` were published something. */
  readonly onReconciled: (mesh: Mesh, changed: ReadonlySet<StreamId>) => void;
  readonly onFailure: (sidecar: Sidecar, error: unknown) => void;
};

/** What is in force for one sidecar. */
type Held = {
  readonly sidecar: Sidecar;
  readonly planned: Planned | undefined;
  readonly svid: X509Svid | undefined;
  readonly renewAt: Instant;
  readonly snapshot: Snapshot | undefined;
  /** Failures in a row, and when to try again. */
  readonly failures: number;
  readonly retryAt: Instant | undefined;
  /** Why the last try failed. */
  readonly trouble: string | undefined;
};

type Planned = {
  readonly plan: ProxyPlan;
  readonly emitted: readonly Emitted[];
  readonly upstreams: ReadonlySet<ServiceKey>;
};

const NO_FAILURE = { failures: 0, retryAt: undefined, trouble: undefined } as const;

/** Wall clocks jump: nothing is trusted to a timer for longer than this. */
const LOOK_AGAIN: Duration = 30_000;
const MAX_BACKOFF: Duration = 30_000;
/** Sidecars between two breaths of the event loop; their new certificates share a write to the disk. */
const AT_ONCE = 32;

/**
 * Turns the crank: plan, emit, certificate, snapshot, publish, for those sidecars that something concerns. A failure
 * leaves a sidecar what it has, and is tried again.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #held = new Map<StreamId, Held>();
  /** Sidecars to look at; `true` if their plan may be another. */
  #dirty = new Map<StreamId, boolean>();
  #running: Promise<void> | undefined;
  #cancel: () => void = () => {};
  #nextChange: Instant | undefined;
  #lastLook: Instant;
  #closed = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#lastLook = options.clock.now();
    this.#schedule();
  }

  add(sidecar: Sidecar): void {
    const nothing = { planned: undefined, svid: undefined, renewAt: 0, snapshot: undefined };
    this.#held.set(sidecar.stream, { sidecar, ...nothing, ...NO_FAILURE });
    this.#mark([sidecar.stream], true);
  }

  remove(stream: StreamId): void {
    this.#held.delete(stream);
    this.#dirty.delete(stream);
  }

  /** Another mesh is in force, or another moment. */
  markAll(): void {
    this.#mark(this.#held.keys(), true);
  }

  /** Other addresses: concerns those who call these services. */
  markCallers(services: ReadonlySet<ServiceKey>): void {
    const concerned = [...this.#held.values()].filter(
      ({ planned }) => planned === undefined || [...services].some((service) => planned.upstreams.has(service)),
    );
    this.#mark(
      concerned.map(({ sidecar }) => sidecar.stream),
      true,
    );
  }

  /** Another certificate or bundle; the plan stands. */
  markSecrets(node?: string): void {
    const concerned = [...this.#held.values()].filter(({ sidecar }) => node === undefined || sidecar.node === node);
    this.#mark(
      concerned.map(({ sidecar }) => sidecar.stream),
      false,
    );
  }

  svidOf(stream: StreamId): X509Svid | undefined {
    return this.#held.get(stream)?.svid;
  }

  snapshotOf(stream: StreamId): Snapshot | undefined {
    return this.#held.get(stream)?.snapshot;
  }

  /** Why the newest configuration of this sidecar could not be made; `undefined` if it could. */
  troubleOf(stream: StreamId): string | undefined {
    return this.#held.get(stream)?.trouble;
  }

  /** Something is left to do now. */
  get busy(): boolean {
    return this.#running !== undefined || this.#dirty.size > 0;
  }

  /** The resources that one sidecar was last published, with the lines they come from. */
  emittedFor(stream: StreamId): readonly Emitted[] {
    return this.#held.get(stream)?.planned?.emitted ?? [];
  }

  /** Resolves when nothing is left to do now. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    this.#dirty.clear();
    await this.idle();
  }

  #mark(streams: Iterable<StreamId>, plan: boolean): void {
    for (const stream of streams) this.#dirty.set(stream, plan || this.#dirty.get(stream) === true);
    if (this.#running !== undefined || this.#closed) return;
    this.#running = this.#turn().finally(() => {
      this.#running = undefined;
      if (this.#dirty.size > 0) this.#mark([], false);
      else this.#schedule();
    });
  }

  async #turn(): Promise<void> {
    await Promise.resolve(); // several marks in one go are one turn
    const { clock, mesh: meshNow, endpoints, onReconciled } = this.#options;
    const batch = this.#dirty;
    this.#dirty = new Map();
    const moment: Moment = { mesh: meshNow(), now: clock.now(), endpoints: endpoints(), plans: new Map() };
    const changed = new Set<StreamId>();
    const pending = [...batch];
    for (let at = 0; at < pending.length && !this.#closed; at += AT_ONCE) {
      const some = pending.slice(at, at + AT_ONCE).map(async ([stream, plan]) => {
        const held = this.#held.get(stream);
        if (held !== undefined && (await this.#reconcile(held, plan, moment))) changed.add(stream);
      });
      await Promise.all(some);
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!this.#closed) onReconciled(moment.mesh, changed);
  }

  /** One sidecar; `true` if it was published something else than before. */
  async #reconcile(held: Held, plan: boolean, moment: Moment): Promise<boolean> {
    const { sidecar } = held;
    try {
      const planned = plan || held.planned === undefined ? planOf(sidecar, moment) : held.planned;
      if (planned === undefined) {
        this.#options.end(sidecar.stream, permissionDenied('this mesh has no such service any more'));
        return false;
      }
      const { identity, certificateTtl } = planned.plan;
      const svid = await this.#options.svid(sidecar.node, identity, certificateTtl, moment.now);
      const secrets = emitSecrets(svid, this.#options.bundle());
      const snapshot = assemble([...planned.emitted, ...secrets], held.snapshot);
      if (!this.#held.has(sidecar.stream)) return false;
      const renewAt = nextRenewal(svid, this.#options.renewalTime(svid, sidecar.node), moment.now);
      this.#held.set(sidecar.stream, { sidecar, planned, svid, renewAt, snapshot, ...NO_FAILURE });
      if (held.snapshot !== undefined && same(held.snapshot, snapshot)) return false;
      this.#options.publish(sidecar.stream, snapshot);
      return true;
    } catch (error) {
      if (!this.#held.has(sidecar.stream)) return false;
      const failures = held.failures + 1;
      const retryAt = moment.now + Math.min(MAX_BACKOFF, 500 * 2 ** Math.min(failures, 10));
      // Without its plan it is planned again; what was published stays in force.
      this.#held.set(sidecar.stream, { ...held, planned: undefined, failures, retryAt, trouble: messageOf(error) });
      this.#options.onFailure(sidecar, error);
      return false;
    }
  }

  #schedule(): void {
    this.#cancel();
    if (this.#closed) return;
    const now = this.#options.clock.now();
    this.#nextChange = nextChange(this.#options.mesh(), now);
    let at = Math.min(now + LOOK_AGAIN, this.#nextChange ?? Number.POSITIVE_INFINITY);
    for (const held of this.#held.values()) at = Math.min(at, dueAt(held));
    this.#cancel = this.#options.clock.after(Math.max(at - now, 1), () => this.#look());
  }

  #look(): void {
    const now = this.#options.clock.now();
    const jumpedBack = now < this.#lastLook;
    this.#lastLook = now;
    if (jumpedBack || (this.#nextChange !== undefined && this.#nextChange <= now)) this.markAll();
    const due = [...this.#held.values()].filter((held) => dueAt(held) <= now);
    this.#mark(
      due.map(({ sidecar }) => sidecar.stream),
      false,
    );
  }
}

/** The same for all sidecars of one turn; alike sidecars share a plan. */
type Moment = {
  readonly mesh: Mesh;
  readonly now: Instant;
  readonly endpoints: EndpointTable;
  readonly plans: Map<string, Planned | undefined>;
};

const planOf = ({ ref, client }: Sidecar, { mesh, now, endpoints, plans }: Moment): Planned | undefined => {
  const key = `${client} ${ref.service} ${ref.address ?? ''} ${ref.outbound.host} ${ref.outbound.port}`;
  if (plans.has(key)) return plans.get(key);
  const plan = planProxy(mesh, now, ref, endpoints);
  const planned = plan && {
    plan,
    emitted: client === 'grpc' ? emitGrpcClient(plan) : emitProxy(plan),
    upstreams: new Set(plan.upstreams.map(({ service }) => service)),
  };
  plans.set(key, planned);
  return planned;
};

/** When to ask again. One that is overdue because it could not be renewed is asked for more often towards its end. */
const nextRenewal = ({ notAfter }: X509Svid, due: Instant, now: Instant): Instant =>
  due > now ? due : now + Math.min(60_000, Math.max(1_000, (notAfter - now) / 20));

const dueAt = (held: Held): Instant => held.retryAt ?? held.renewAt;

const same = (a: Snapshot, b: Snapshot): boolean =>
  a.size === b.size && [...a].every(([url, resources]) => b.get(url) === resources);

import { emitSecrets } from '../emit/emitSecrets.ts';
import type { Emitted } from '../emit/emitted.ts';
import { messageOf } from '../lib/errors.ts';
import { newSlices } from '../lib/slices.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh, ServiceKey } from '../model/mesh.ts';
import { nextChange } from '../plan/nextChange.ts';
import type { EndpointTable, InboundPort } from '../plan/proxyPlan.ts';
import { prepareReach } from '../plan/reach.ts';
import type { Revoked } from '../plan/revoked.ts';
import { trustBundles } from '../plan/trustBundles.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import { type Snapshot, TYPE } from '../xds/resource.ts';
import { Aside } from './aside.ts';
import { assemble } from './assemble.ts';
import { Callers } from './callers.ts';
import { RenewalLane } from './certificates/renewalLane.ts';
import type { Renewals } from './certificates/renewals.ts';
import type { Clock } from './clock.ts';
import { withHeldBack } from './heldBack.ts';
import { Moments } from './moments.ts';
import { type Planned, planOf } from './planned.ts';
import type { Quarantine } from './quarantine.ts';
import { permissionDenied, type Refusal } from './refusals.ts';
import type { PublishedSecrets } from './rotation/heldSecrets.ts';
import type { Sidecar, StreamId } from './sidecar.ts';
import { urgencies } from './urgency.ts';
import { type Urgency, type Work, WorkQueue } from './workQueue.ts';

export type ReconcilerOptions = {
  readonly clock: Clock;
  readonly mesh: () => Mesh;
  readonly endpoints: () => EndpointTable;
  readonly revoked: () => Revoked;
  readonly bundle: () => TrustBundle;
  /** Keeps from a sidecar what others of its kind refused. */
  readonly quarantine: Pick<Quarantine, 'serve'>;
  readonly certificates: Pick<Renewals, 'inForce' | 'hasTime' | 'current' | 'dueIn'>;
  readonly publish: (stream: StreamId, snapshot: Snapshot) => void;
  readonly end: (stream: StreamId, refusal: Refusal) => void;
  /** Every sidecar has the plan of this mesh. Of these streams more may be known than when it was said last. */
  readonly onReconciled: (mesh: Mesh, worked: ReadonlySet<StreamId>) => void;
  readonly onFailure: (sidecar: Sidecar, error: unknown) => void;
};

/** What is in force for one sidecar. */
type Held = {
  readonly sidecar: Sidecar;
  readonly planned: Planned | undefined;
  readonly svid: X509Svid | undefined;
  /** What its secrets were made of when it was last published any. */
  readonly secrets: PublishedSecrets | undefined;
  readonly snapshot: Snapshot | undefined;
  /** Failures in a row, and when to try again, by the monotonic clock. */
  readonly failures: number;
  readonly retryAt: Duration | undefined;
  /** Why the last try failed, or what was held back of it. */
  readonly trouble: string | undefined;
};

const NO_FAILURE = { failures: 0, retryAt: undefined, trouble: undefined } as const;

/** Nothing is trusted to a timer for longer than this; a jump of the clock is told at once (`clockJumped`). */
const LOOK_AGAIN: Duration = 30_000;
const MAX_BACKOFF: Duration = 30_000;
/** While certificates wait to be renewed, some of them may come near their end; and while there is work, some may be due. */
const LOOK_SOON: Duration = 1_000;
/** Sidecars in hand at once: their new certificates share a write to the disk. */
const AT_ONCE = 32;

/**
 * Turns the crank: plan, emit, certificate, snapshot, publish, for those sidecars that something concerns, the most
 * urgent first and in slices of time. A failure leaves a sidecar what it has, and is tried again.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #held = new Map<StreamId, Held>();
  readonly #callers = new Callers();
  readonly #queue = new WorkQueue();
  readonly #slices = newSlices();
  readonly #lane: RenewalLane;
  readonly #moments: Moments;
  /** Counts meshes and moments: what was begun in an older one is not published. */
  #round = 0;
  #wake: () => void = () => {};
  readonly #aside: Aside;
  #running: Promise<void> | undefined;
  #cancel: () => void = () => {};
  /** When time is looked at next, by the monotonic clock. */
  #looksAt: Duration = Number.POSITIVE_INFINITY;
  /** What was worked on since. */
  readonly #touched = new Set<StreamId>();
  /** What was worked on since all was reconciled. */
  #worked = new Set<StreamId>();
  #nextChange: Instant | undefined;
  #closed = false;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    this.#moments = new Moments(options);
    this.#aside = new Aside(options.clock, () => this.#wake());
    this.#lane = new RenewalLane({
      clock: options.clock,
      yields: () => this.#queue.hasPush(),
      renew: (stream) => this.#renew(stream),
      renewed: (streams) =>
        this.#mark(
          streams
            .filter((stream) => this.#held.has(stream))
            .map((stream) => ({ stream, urgency: 'renewal', plan: false })),
        ),
    });
    this.#nextChange = nextChange(options.mesh(), options.clock.now());
    prepareReach(options.mesh());
    this.#schedule();
  }

  add(sidecar: Sidecar): void {
    const nothing = { planned: undefined, svid: undefined, secrets: undefined, snapshot: undefined };
    this.#held.set(sidecar.stream, { sidecar, ...nothing, ...NO_FAILURE });
    this.#mark([{ stream: sidecar.stream, urgency: 'endpoints', plan: true }]);
  }

  remove(stream: StreamId): void {
    this.#held.delete(stream);
    this.#callers.remove(stream);
    this.#queue.remove(stream);
    this.#lane.remove(stream);
  }

  /** Another mesh is in force, or another moment. */
  markAll(): void {
    const [mesh, now] = [this.#options.mesh(), this.#options.clock.now()];
    this.#moments.drop();
    this.#round += 1;
    this.#nextChange = nextChange(mesh, now);
    const urgencyOf = urgencies(mesh, now);
    const urgencyFor = ({ sidecar: { stream }, planned, snapshot }: Held): Urgency => {
      if (snapshot === undefined) return 'endpoints';
      // It may have failed, or be in hand with a plan that is not stored yet.
      if (planned === undefined || this.#queue.isTaken(stream)) return 'security';
      return urgencyOf(planned.service, planned.at);
    };
    this.#mark(
      [...this.#held.values()].map((held) => ({
        stream: held.sidecar.stream,
        urgency: urgencyFor(held),
        plan: true,
      })),
    );
    this.#schedule();
  }

  /** Other addresses: concerns those who call these services, in force or in hand. Who has no plan yet waits for one already. */
  markCallers(services: ReadonlySet<ServiceKey>): void {
    this.#mark([...this.#callers.of(services)].map((stream) => ({ stream, urgency: 'endpoints', plan: true })));
  }

  /** The wall clock is another one: what time decides is decided again, and what is due is done. */
  clockJumped(): void {
    this.markAll();
    this.#look();
  }

  /** What these services' own ports refuse is another. */
  markServers(services: ReadonlySet<ServiceKey>): void {
    this.#moments.drop();
    const concerned = [...this.#held.values()].filter(({ sidecar }) => services.has(sidecar.service));
    this.#mark(concerned.map(({ sidecar: { stream } }) => ({ stream, urgency: 'security', plan: true })));
  }

  /** Another certificate or bundle; the plan stands. */
  markSecrets(node?: string): void {
    this.#markUrgent([...this.#held.values()].filter(({ sidecar }) => node === undefined || sidecar.node === node));
  }

  /** What these are kept from is another; their plans stand. */
  markQuarantine(service: ServiceKey, node?: string): void {
    const concerned = [...this.#held.values()].filter(
      ({ sidecar }) => sidecar.service === service && (node === undefined || sidecar.node === node),
    );
    this.#markUrgent(concerned);
  }

  svidOf(stream: StreamId): X509Svid | undefined {
    return this.#held.get(stream)?.svid;
  }

  secretsOf(stream: StreamId): PublishedSecrets | undefined {
    return this.#held.get(stream)?.secrets;
  }

  snapshotOf(stream: StreamId): Snapshot | undefined {
    return this.#held.get(stream)?.snapshot;
  }

  /** Why the newest configuration of this sidecar could not be made, or a part of it; `undefined` if it could. */
  troubleOf(stream: StreamId): string | undefined {
    return this.#held.get(stream)?.trouble;
  }

  /** Something is left to do now. */
  get busy(): boolean {
    return this.#running !== undefined || this.#queue.size > 0;
  }

  /** The resources that one sidecar was last published, with the lines they come from. */
  emittedFor(stream: StreamId): readonly Emitted[] {
    return this.#held.get(stream)?.planned?.emitted ?? [];
  }

  /** The plan of a stream's own ports that was last published to it. */
  inboundOf(stream: StreamId): readonly InboundPort[] {
    return this.#held.get(stream)?.planned?.plan.inbound ?? [];
  }

  /** Resolves when nothing is left to do now. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    this.#lane.close();
    this.#queue.clear();
    this.#wake();
    await this.idle();
  }

  #markUrgent(concerned: readonly Held[]): void {
    this.#mark(concerned.map(({ sidecar: { stream } }) => ({ stream, urgency: 'security', plan: false })));
  }

  /** Its certificate is due, and what is in force goes on if there is no new one. */
  async #renew(stream: StreamId): Promise<void> {
    const { sidecar, svid, planned } = this.#held.get(stream) ?? {};
    if (sidecar === undefined || svid === undefined || planned === undefined) return;
    const { identity, certificateTtl } = planned.plan;
    // Where it ended meanwhile, making the configuration fails for the same reason, and tells it.
    await this.#options.certificates.current(sidecar.node, identity, certificateTtl).catch(() => undefined);
  }

  #mark(works: readonly Work[]): void {
    if (this.#closed) return;
    for (const work of works) this.#queue.add(work);
    this.#wake();
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
      if (this.#queue.size > 0) this.#mark([]);
      else this.#scheduleTouched();
    });
  }

  /** Until nothing is left. What is marked meanwhile finds its place in the queue. */
  async #drain(): Promise<void> {
    await Promise.resolve(); // what is marked in one go goes in the order of its urgency
    const inHand = new Set<Promise<void>>();
    while (!this.#closed) {
      await this.#slices.pause(); // also where there is time: what others wait for may be more urgent
      const work = inHand.size - this.#aside.count < AT_ONCE ? this.#queue.take() : undefined;
      if (work !== undefined) {
        const done = this.#reconcile(work).finally(() => {
          this.#queue.done(work.stream);
          this.#touched.add(work.stream);
          this.#worked.add(work.stream);
          inHand.delete(done);
          this.#wake();
        });
        inHand.add(done);
      } else if (inHand.size > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else break;
    }
    await Promise.all(inHand);
    if (this.#closed || this.#queue.size > 0) return;
    const worked = this.#worked;
    this.#worked = new Set();
    this.#options.onReconciled(this.#options.mesh(), worked);
  }

  async #reconcile({ stream, plan }: Work): Promise<void> {
    const held = this.#held.get(stream);
    if (held === undefined) return;
    const { sidecar } = held;
    const moment = this.#moments.now();
    // Sooner than was known where the clock was set back; never later, for what is over by now is still to be told to all.
    if (moment.nextChange !== undefined)
      this.#nextChange = Math.min(this.#nextChange ?? moment.nextChange, moment.nextChange);
    const round = this.#round;
    try {
      const planned = plan || held.planned === undefined ? planOf(sidecar, moment) : held.planned;
      if (planned === undefined) {
        this.#options.end(sidecar.stream, permissionDenied('this mesh has no such service any more'));
        return;
      }
      this.#callers.set(stream, planned.upstreams);
      const { identity, certificateTtl } = planned.plan;
      const { certificates } = this.#options;
      // News do not wait for a renewal that has time.
      const inForce = certificates.inForce(sidecar.node, identity);
      const svid = inForce ?? (await this.#aside.wait(certificates.current(sidecar.node, identity, certificateTtl)));
      if (!this.#slices.hasTime()) await this.#slices.pause();
      // Another mesh came meanwhile: it waits for that one. What was refused of the new one must not be forgotten for the old.
      if (round !== this.#round || !this.#held.has(stream)) return;
      const bundle = this.#options.bundle();
      const secrets = emitSecrets(svid, trustBundles(moment.mesh, bundle));
      const served = this.#options.quarantine.serve(sidecar, planned.emitted);
      const content = withHeldBack(served, planned.faults, held.snapshot);
      const snapshot = assemble(content, secrets, held.snapshot);
      const trouble = planned.faults.length === 0 ? undefined : planned.faults.map(({ message }) => message).join('; ');
      const resources = snapshot.get(TYPE.sds);
      const published = resources && { svid, bundle, resources };
      const { failures, retryAt } = NO_FAILURE;
      this.#held.set(stream, { sidecar, planned, svid, secrets: published, snapshot, failures, retryAt, trouble });
      if (trouble !== undefined && trouble !== held.trouble) this.#options.onFailure(sidecar, new Error(trouble));
      if (held.snapshot === undefined || !same(held.snapshot, snapshot)) this.#options.publish(stream, snapshot);
    } catch (error) {
      if (!this.#held.has(stream)) return;
      const failures = held.failures + 1;
      const backoff = Math.min(MAX_BACKOFF, 500 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
      const retryAt = this.#options.clock.monotonic() + backoff;
      // Without its plan it is planned again; what was published stays in force.
      this.#held.set(sidecar.stream, { ...held, planned: undefined, failures, retryAt, trouble: messageOf(error) });
      this.#options.onFailure(sidecar, error);
    }
  }

  /** How long until something is to be done for it by time alone; 0 or less: now. */
  #dueIn({ sidecar, planned, svid, retryAt }: Held): Duration {
    const { certificates, clock } = this.#options;
    if (retryAt !== undefined) return retryAt - clock.monotonic();
    if (svid === undefined || planned === undefined) return 0;
    return certificates.dueIn(sidecar.node, svid, planned.plan.certificateTtl);
  }

  #schedule(): void {
    this.#looksAt = Number.POSITIVE_INFINITY;
    this.#lookFor(this.#held.values());
  }

  /** For all others it is known when to look: in a storm sidecars come one by one, and each would have all looked at. */
  #scheduleTouched(): void {
    this.#lookFor([...this.#touched].flatMap((stream) => this.#held.get(stream) ?? []));
  }

  /** Looks as soon as something is due for one of these, if not before. */
  #lookFor(concerned: Iterable<Held>): void {
    this.#touched.clear();
    if (this.#closed) return;
    const { clock } = this.#options;
    let wait = Math.min(
      this.#lane.size > 0 ? LOOK_SOON : LOOK_AGAIN,
      (this.#nextChange ?? Number.POSITIVE_INFINITY) - clock.now(),
    );
    for (const held of concerned) {
      if (this.#lane.has(held.sidecar.stream)) continue;
      const due = this.#dueIn(held);
      if (due > 0 || !this.busy) wait = Math.min(wait, due);
      // While there is work, what is due may wait in the queue or not; who has nothing yet surely does.
      else if (held.svid !== undefined || held.retryAt !== undefined) wait = Math.min(wait, LOOK_SOON);
    }
    const at = clock.monotonic() + Math.max(wait, 1);
    if (this.#looksAt <= at) return;
    this.#cancel();
    this.#looksAt = at;
    this.#cancel = clock.after(Math.max(wait, 1), () => this.#look());
  }

  #look(): void {
    const now = this.#options.clock.now();
    if (this.#nextChange !== undefined && this.#nextChange <= now) this.markAll();
    const due = [...this.#held.values()].filter((held) => this.#dueIn(held) <= 0);
    const hasTime = ({ svid, retryAt, sidecar }: Held): boolean =>
      retryAt === undefined && svid !== undefined && this.#options.certificates.hasTime(sidecar.node, svid);
    // However many pushes keep the lane waiting.
    this.#markUrgent(due.filter((held) => !hasTime(held)));
    this.#lane.add(due.filter(hasTime).map(({ sidecar: { stream } }) => stream));
    // Not only when all is done: work may go on for long, and time changes policies meanwhile.
    this.#schedule();
  }
}

const same = (a: Snapshot, b: Snapshot): boolean =>
  a.size === b.size && [...a].every(([url, resources]) => b.get(url) === resources);

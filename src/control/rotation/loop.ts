import type { MeshAuthority, Prepared } from '../../ca/authority.ts';
import type { HeldSvid } from '../../ca/heldSvids.ts';
import {
  type Gate,
  gateOf,
  isFromOther,
  type Rotation,
  type RotationKind,
  type SidecarFacts,
} from '../../ca/rotation.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { keepNewest } from '../../lib/newest.ts';
import type { Duration, Instant } from '../../lib/time.ts';
import type { TrustBundle, X509Svid } from '../../spiffe/svid.ts';
import type { StreamEvent, StreamId } from '../../xds/events.ts';
import { TYPE } from '../../xds/resource.ts';
import type { Clock } from '../clock.ts';
import { named, span } from '../health/words.ts';
import type { Log } from '../log.ts';
import { repeats } from '../repeats.ts';
import { type AskSerials, newEnvoyCerts } from './envoyCerts.ts';
import { type HeldSecrets, newHeldSecrets } from './heldSecrets.ts';
import { newReissues } from './reissues.ts';
import { type FactSources, type Holder, sidecarFacts } from './sidecarFacts.ts';

export type RotationPorts = {
  readonly clock: Clock;
  readonly log: Log;
  readonly authority: Pick<
    MeshAuthority,
    'rotation' | 'trustBundle' | 'issuersOf' | 'rootDue' | 'abortedAt' | 'rootIsOwn' | 'prepared'
  >;
  /** The earliest that it can be: what begins by schedule goes by that, and by no clock that is wrong for a while. */
  readonly atLeast: () => Instant;
  /** All certificates that are kept. */
  readonly issued: () => readonly HeldSvid[];
  readonly holders: () => readonly Holder[];
  /** Asked for at most events of a stream. */
  readonly secretsOf: (stream: StreamId) => Pick<Holder, 'node' | 'published'> | undefined;
  /** Whether a node that is away may come back. */
  readonly mayReturn: (node: string) => boolean;
  /** Gives a node a new certificate from the active CA, and tells it. */
  readonly reissue: (holder: Holder) => Promise<void>;
  /** The roots are others: everybody is to be told, and the xDS listener to follow. */
  readonly onRoots: () => void;
  readonly askEnvoy: AskSerials;
  /** Ends streams whose credential serves no more. */
  readonly end: (streams: readonly StreamId[]) => void;
};

/** What is going on, for people and checks. */
export type RotationReport = {
  readonly at: Instant;
  readonly plan: Rotation | undefined;
  /** Of the plan's present step. */
  readonly gate: Gate | undefined;
  readonly connected: number;
  /** Connected sidecars whose Envoy itself showed the certificate that they ACKed last. */
  readonly shown: number;
  /** Who is away with a certificate that lives, and until when: a rotation waits for those. */
  readonly away: readonly { readonly node: string; readonly until: Instant }[];
  /** When a rotation of the root begins by itself. */
  readonly due: Instant;
  /** Not before that, because it was aborted; in the past if it was not. */
  readonly heldOffUntil: Instant;
  /** Whether Signet makes that root itself; else it has to be brought, or the signer has to sign with it. */
  readonly own: boolean;
  /** What was imported and is brought into use by the next rotation. */
  readonly prepared: Prepared | undefined;
  /** Why the last step or start could not be stored. */
  readonly trouble: string | undefined;
};

/** What happens in one go is looked at in one go. */
const SOON: Duration = 50;
const LOOK_EVERY: Duration = 1_000;
const IDLE: Duration = 60_000;
const AFTER_TROUBLE: Duration = 5_000;
/** Envoy's workers have a secret some 100 ms after its main thread ACKed it: a gate must have been open for so long. */
const SETTLE: Duration = 1_000;
const TELL_EVERY: Duration = 60_000;
const MOST_FETCHED = 10_000;
/** A rotation by schedule that was aborted is not begun again for so long. */
const HOLD_OFF: Duration = 86_400_000;

/** A moment by the wall clock, and by the monotonic one when it was seen first. */
type Anchor = { readonly wall: Instant; readonly seen: Duration };

/**
 * Leads a rotation from step to step: what sidecars ACKed opens its gates. The plan itself lies in the authority's document,
 * so that a restart finds it where it was; all that is known of sidecars is learned anew from them.
 */
export class RotationLoop {
  readonly #ports: RotationPorts;
  readonly #held = newHeldSecrets();
  readonly #fetched = new Map<string, HeldSecrets>();
  readonly #certs: ReturnType<typeof newEnvoyCerts>;
  readonly #reissues: ReturnType<typeof newReissues>;
  readonly #startedAt: Anchor;
  readonly #told: ReturnType<typeof repeats>;
  #roots: TrustBundle;
  // By the monotonic clock, as is the timer: the wall clock may jump in the middle of a step.
  #open: { readonly step: string; readonly since: Duration } | undefined;
  #turning: Promise<void> | undefined;
  #again = false;
  /** The present step, by both clocks. */
  #step: Anchor | undefined;
  #timer: { readonly at: Duration; readonly cancel: () => void } | undefined;
  #trouble: string | undefined;
  #closed = false;

  constructor(ports: RotationPorts) {
    this.#ports = ports;
    this.#startedAt = this.#anchor(ports.clock.now());
    this.#certs = newEnvoyCerts(ports.askEnvoy);
    this.#reissues = newReissues(ports);
    this.#told = repeats(ports.clock, TELL_EVERY);
    this.#roots = ports.authority.trustBundle();
  }

  start(): void {
    const plan = this.#plan();
    const { log } = this.#ports;
    if (plan !== undefined)
      log.info({ rotation: plan.id, step: plan.step }, `the rotation of the ${what(plan)} goes on`);
    this.#later(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#turning;
  }

  /** To be told of each event before the fleet is: it forgets who left. */
  onEvent(event: StreamEvent): void {
    if (event.kind === 'asked' || event.kind === 'sent' || event.kind === 'refused') return;
    if (event.kind === 'acked' && event.type !== TYPE.sds) return;
    if (event.kind === 'progress' && !event.held.has(TYPE.sds)) return;
    const holder = this.#ports.secretsOf(event.stream);
    if (event.kind === 'closed') this.#certs.forget(event.stream);
    if (holder === undefined) return;
    if (this.#held.follow(event, holder.node, holder.published) && this.#plan() !== undefined) this.#later(SOON);
  }

  /** Somebody who keeps a node's certificate in files was given these. */
  fetched(node: string, svid: X509Svid, bundle: TrustBundle): void {
    keepNewest(this.#fetched, node, { svid, bundle }, MOST_FETCHED);
    if (this.#plan() !== undefined) this.#later(SOON);
  }

  /** The authority's roots may be others now. */
  rootsChanged(): void {
    const roots = this.#ports.authority.trustBundle();
    if (roots === this.#roots) return;
    this.#roots = roots;
    this.#ports.onRoots();
  }

  // What operators ask. All throw AppError `rotation_refused` where a rule forbids it, and the store's.

  begin(kind: RotationKind, reason: string): Promise<void> {
    return this.#operate('started', (now) => this.#ports.authority.rotation.start(kind, reason, now));
  }

  pause(): Promise<void> {
    return this.#operate('paused', this.#ports.authority.rotation.pause);
  }

  resume(): Promise<void> {
    return this.#operate('resumed', this.#ports.authority.rotation.resume);
  }

  abort(reason: string): Promise<void> {
    return this.#operate(`aborted (${reason})`, (now) => this.#ports.authority.rotation.abort(reason, now));
  }

  /** A part of the same that is asked for often: nobody is looked at while there is no plan. */
  progress(): Pick<RotationReport, 'plan' | 'gate' | 'due'> {
    const now = this.#ports.clock.now();
    const plan = this.#plan();
    const gate = plan && this.#gateOf(plan, this.#facts(now, this.#certs.contradicted), now);
    return { plan, gate, due: this.#ports.authority.rootDue() };
  }

  report(): RotationReport {
    const now = this.#ports.clock.now();
    const plan = this.#plan();
    const facts = this.#facts(now, this.#certs.contradicted);
    const away = facts.flatMap(({ node, connected, holds }) => {
      const until = Math.max(0, ...holds.map(({ notAfter }) => notAfter));
      return connected || until <= now ? [] : [{ node, until }];
    });
    const gate = plan && this.#gateOf(plan, facts, now);
    const connected = facts.filter((one) => one.connected).length;
    const { rootDue, rootIsOwn, prepared } = this.#ports.authority;
    const coming = { due: rootDue(), heldOffUntil: this.#heldOffUntil(), own: rootIsOwn(), prepared: prepared() };
    return { at: now, plan, gate, connected, shown: this.#shown(), away, ...coming, trouble: this.#trouble };
  }

  #heldOffUntil(): Instant {
    const { authority } = this.#ports;
    return (authority.abortedAt() ?? -HOLD_OFF) + HOLD_OFF;
  }

  #plan(): Rotation | undefined {
    return this.#ports.authority.rotation.plan();
  }

  #anchor(wall: Instant): Anchor {
    return { wall, seen: this.#ports.clock.monotonic() };
  }

  /** As long ago as either clock says: one that is set back does not prolong what has a bound. */
  #earliest({ wall, seen }: Anchor, now: Instant): Instant {
    return Math.min(wall, now - (this.#ports.clock.monotonic() - seen));
  }

  #gateOf(plan: Rotation, facts: readonly SidecarFacts[], now: Instant): Gate {
    if (this.#step?.wall !== plan.stepSince) this.#step = this.#anchor(plan.stepSince);
    const stepSince = this.#earliest(this.#step, now);
    return gateOf({ ...plan, stepSince }, facts, now, this.#earliest(this.#startedAt, now));
  }

  /** `contradicted`: what Envoys said against their ACKs, once all ACKed. */
  #facts(now: Instant, contradicted: FactSources['contradicted'] = () => undefined): readonly SidecarFacts[] {
    const { holders, issued, authority, mayReturn } = this.#ports;
    const sources = {
      mayReturn,
      holders: holders(),
      issued: issued(),
      issuersOf: authority.issuersOf,
      ofStream: this.#held.ofStream,
      ofNode: this.#held.ofNode,
      fetched: (node: string) => this.#fetched.get(node) ?? { svid: undefined, bundle: undefined },
      contradicted,
    };
    return sidecarFacts(sources, now);
  }

  async #operate(done: string, act: (now: Instant) => Promise<void>): Promise<void> {
    const before = this.#plan();
    await act(this.#ports.clock.now());
    this.#open = undefined;
    this.#trouble = undefined;
    const plan = this.#plan() ?? before;
    if (plan !== undefined)
      this.#ports.log.warn(
        { rotation: plan.id, step: plan.step },
        `rotation of the ${what(plan)} ${done}: ${(before ?? plan).reason}`,
      );
    this.rootsChanged();
    this.#later(0);
  }

  /** Looks in so long at the latest. */
  #later(delay: Duration): void {
    if (this.#closed) return;
    const { clock } = this.#ports;
    const at = clock.monotonic() + delay;
    if (this.#turning !== undefined && delay <= SOON) this.#again = true;
    if (this.#timer !== undefined && this.#timer.at <= at) return;
    this.#timer?.cancel();
    this.#timer = { at, cancel: clock.after(delay, () => this.#look()) };
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#closed) return;
    if (this.#turning !== undefined) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#turning = this.#turn()
      .catch((error: unknown) => this.#failed(error))
      .then((delay) => {
        this.#turning = undefined;
        this.#later(this.#again ? SOON : delay);
      });
  }

  #failed(error: unknown): Duration {
    // Somebody was quicker: the plan is elsewhere by now.
    if (error instanceof AppError && error.code === 'rotation_refused' && this.#plan() !== undefined) return SOON;
    this.#trouble = messageOf(error);
    const { log } = this.#ports;
    if (this.#told.isNew(this.#trouble))
      log.error({ err: error }, 'the rotation could not go on, which is tried again');
    return AFTER_TROUBLE;
  }

  /** One look; how long until the next. */
  async #turn(): Promise<Duration> {
    const now = this.#ports.clock.now();
    this.rootsChanged();
    const plan = this.#plan();
    if (plan === undefined) return this.#beginIfDue(now);
    if (plan.paused) return IDLE;
    const facts = this.#facts(now);
    if (plan.step !== 'distribute') await this.#reissues.next(plan, facts, now);
    const gate = await this.#confirmed(plan, this.#gateOf(plan, facts, now), now);
    if (!gate.open) return this.#wait(plan, gate, now);
    const step = `${plan.id} ${plan.step} ${plan.to}`;
    if (this.#open?.step !== step) this.#open = { step, since: this.#ports.clock.monotonic() };
    const open = this.#ports.clock.monotonic() - this.#open.since;
    if (open < SETTLE) return SETTLE - open;
    await this.#advance(plan, now);
    return 0;
  }

  async #advance(plan: Rotation, now: Instant): Promise<void> {
    const { authority, log } = this.#ports;
    await authority.rotation.advance({ id: plan.id, step: plan.step }, now);
    this.#trouble = undefined;
    this.#open = undefined;
    const next = this.#plan();
    const took = span(now - plan.stepSince);
    const then = next === undefined ? 'it is done' : `${next.step} begins`;
    // Without a certificate of the new CA there is nothing to see.
    const fields = plan.step === 'distribute' ? {} : { shownByEnvoys: this.#shown() };
    log.info(
      { rotation: plan.id, step: next?.step ?? 'done', ...fields },
      `rotation of the ${what(plan)}: ${plan.step} took ${took}, ${then}`,
    );
    this.rootsChanged();
    if (plan.kind === 'compromise' && plan.step === 'retire') this.#endProvenBefore(plan);
  }

  /**
   * Ends the streams that were opened with certificates of the compromised root, or with such that nobody knows: whoever has
   * its key can have made them. Sidecars come back at once with what they have by now.
   */
  #endProvenBefore(plan: Rotation): void {
    const { holders, issued, authority, end } = this.#ports;
    const good = new Set(
      issued().flatMap(({ svid }) =>
        isFromOther(plan, { root: '', intermediate: '', ...authority.issuersOf(svid) }) ? [] : [svid.serial],
      ),
    );
    end(
      holders().flatMap(({ stream, credential }) => (credential === undefined || good.has(credential) ? [] : [stream])),
    );
  }

  #shown(): number {
    const shows = (holder: Holder): boolean =>
      this.#certs.shows(holder, this.#held.ofStream(holder.stream).svid?.serial);
    return this.#ports.holders().filter(shows).length;
  }

  /** Before certificates count as held, Envoys that can be asked are asked. */
  async #confirmed(plan: Rotation, gate: Gate, now: Instant): Promise<Gate> {
    if (!gate.open || plan.step === 'distribute') return gate;
    const asked = await this.#certs.confirm(this.#ports.holders(), ({ stream }) => this.#held.ofStream(stream).svid);
    return asked ? this.#gateOf(plan, this.#facts(now, this.#certs.contradicted), now) : gate;
  }

  #wait(plan: Rotation, { waitingFor }: Gate, now: Instant): Duration {
    this.#open = undefined;
    const { log } = this.#ports;
    const nodes = waitingFor.map(({ node, why }) => `${node} ${why}`);
    // A sidecar that answers at once is nothing to tell.
    if (now - plan.stepSince > SETTLE && nodes.length > 0 && this.#told.isNew(`${plan.id} ${plan.step}`))
      log.info({ rotation: plan.id, step: plan.step, waiting: nodes.length }, `the rotation waits: ${named(nodes)}`);
    return LOOK_EVERY;
  }

  async #beginIfDue(now: Instant): Promise<Duration> {
    const { authority } = this.#ports;
    // Its owner brings the next one, or the signer signs by it.
    if (!authority.rootIsOwn()) return IDLE;
    const due = Math.max(authority.rootDue(), this.#heldOffUntil());
    if (now < due) return Math.min(IDLE, due - now);
    if (this.#ports.atLeast() < due) return IDLE;
    await this.begin('root', 'by schedule: 80 % of the life of the root is over');
    return 0;
  }
}

const what = ({ kind }: Rotation): string => (kind === 'intermediate' ? 'intermediate' : 'root');

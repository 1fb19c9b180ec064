import { expiryWindow, lifeInPlaceOf, livesTooLong, renewalIn, renewalTime } from '../../ca/renewal.ts';
import type { SvidKeeper } from '../../ca/svidStore.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { orMeanwhile } from '../../lib/meanwhile.ts';
import { printable } from '../../lib/printable.ts';
import type { Duration, Instant } from '../../lib/time.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import type { X509Svid } from '../../spiffe/svid.ts';
import { type Clock, type Deadline, timeUntil } from '../clock.ts';
import type { Log, Observer } from '../log.ts';
import { repeats } from '../repeats.ts';

export type RenewalsOptions = {
  readonly clock: Clock;
  readonly svids: Pick<SvidKeeper, 'held' | 'current' | 'renew'>;
  /** How far the wall clock may be behind (`ClockWatch`). */
  readonly behind: () => Duration;
  readonly log: Log;
  readonly observer: Pick<Observer, 'renewalFailed'>;
};

/** A certificate that is due and could not be replaced. */
export type FailedRenewal = {
  readonly node: string;
  /** `issue`: no new one can be had; `refused`: the sidecar said no to the new one. */
  readonly kind: 'issue' | 'refused';
  readonly since: Instant;
  readonly tries: number;
  readonly why: string;
};

type Trouble = Omit<FailedRenewal, 'node'> & {
  /** When to try again, by the monotonic clock. */
  readonly again: Duration;
};

/** When a certificate is due; anchored in both clocks when it is first seen. */
type Due = { readonly serial: string; readonly at: Deadline };

/** Between two tries: from `first` doubling to `most`, and never more than a tenth of what is left; up to half of it less by chance. */
const BACKOFF = {
  issue: { first: 1_000, most: 300_000 },
  refused: { first: 60_000, most: 3_600_000 },
} as const;

/** A signer outside may be slow, and nobody with a good certificate is to wait for it. */
const PATIENCE: Duration = 500;

/** The same trouble is told again after so long. */
const SAME_TROUBLE: Duration = 86_400_000;

/**
 * The certificates of the sidecars, renewed by the wall clock and the monotonic clock together: due is what either says. What is in force
 * goes on while a new one cannot be had or is refused, and that is tried again, ever more rarely, until it succeeds.
 */
export class Renewals {
  readonly #options: RenewalsOptions;
  readonly #dues = new Map<string, Due>();
  readonly #troubles = new Map<string, Trouble>();
  #told: ReturnType<typeof repeats>;

  constructor(options: RenewalsOptions) {
    this.#options = options;
    this.#told = repeats(options.clock, SAME_TROUBLE);
  }

  /** The certificate that serves without waiting for anything, due or not; `undefined` where a new one is to come first. */
  inForce(node: string, id: SpiffeId): X509Svid | undefined {
    const svid = this.#held(node, id);
    return svid !== undefined && this.#serves(svid) ? svid : undefined;
  }

  /** Whether a sidecar that was given this certificate can wait for the next one; not with its last fifth, even where a newer one is there to be sent. */
  hasTime(node: string, svid: X509Svid): boolean {
    return this.#serves(svid) && this.inForce(node, svid.id) !== undefined;
  }

  /**
   * The certificate to be used from now on: a new one if it is due and can be had. A slow signer holds up nobody whose
   * certificate is good: after half a second that one is given, and the new one when it is there.
   * @throws AppError the authority's or the store's, if none is in force either
   */
  async current(node: string, id: SpiffeId, ttl: Duration): Promise<X509Svid> {
    const held = this.#held(node, id);
    if (held !== undefined && this.dueIn(node, held, ttl) > 0) return held;
    const next = this.#next(node, id, ttl, held);
    return held !== undefined && this.#isValid(held) ? orMeanwhile(next, held, PATIENCE) : next;
  }

  async #next(node: string, id: SpiffeId, ttl: Duration, held: X509Svid | undefined): Promise<X509Svid> {
    try {
      const svid = await this.#issue(node, id, ttl, held);
      this.#issued(node, svid);
      return svid;
    } catch (error) {
      // Nothing is in force for it, and nothing failed: it is to have none.
      if (error instanceof AppError && error.code === 'instance_revoked') throw error;
      this.#failed(node, 'issue', messageOf(error));
      // One that was revoked meanwhile is not held any more.
      const left = this.#held(node, id);
      if (left === undefined || !this.#isValid(left)) throw error;
      return left;
    }
  }

  /** A new one now, whatever is left of the old. @throws AppError the authority's or the store's */
  async renew(node: string, id: SpiffeId, ttl: Duration): Promise<X509Svid> {
    const { svids, clock } = this.#options;
    const svid = await svids.renew(node, id, ttl, clock.now());
    this.#issued(node, svid);
    return svid;
  }

  /** How long until something is to be done for a sidecar that was given this certificate; 0 or less: now. */
  dueIn(node: string, svid: X509Svid, ttl: Duration): Duration {
    const { clock } = this.#options;
    const newest = this.#held(node, svid.id);
    // Another stream of the node, or somebody by hand, had a newer one made: it is to be sent.
    if (newest !== undefined && newest.serial !== svid.serial) return 0;
    const valid = this.#isValid(svid);
    const trouble = this.#troubles.get(node);
    if (trouble !== undefined && valid) return trouble.again - clock.monotonic();
    return valid && !livesTooLong(svid, ttl) ? timeUntil(clock, this.#due(node, svid)) : 0;
  }

  /** The sidecar said no to the certificate with this serial. */
  refused(node: string, serial: string, why: string): void {
    if (this.#options.svids.held(node)?.serial === serial) this.#failed(node, 'refused', why);
  }

  /** The sidecar took the certificate with this serial. */
  taken(node: string, serial: string): void {
    const refused = this.#troubles.get(node)?.kind === 'refused';
    if (refused && this.#options.svids.held(node)?.serial === serial) this.#settled(node);
  }

  /** Who could not be renewed, and why. */
  failing(): readonly FailedRenewal[] {
    return [...this.#troubles].map(([node, { again: _, ...trouble }]) => ({ node, ...trouble }));
  }

  /** Forgets nodes of which no certificate is held any more. */
  prune(): void {
    const { svids } = this.#options;
    for (const node of this.#dues.keys()) if (svids.held(node) === undefined) this.#dues.delete(node);
    for (const node of this.#troubles.keys()) if (svids.held(node) === undefined) this.#troubles.delete(node);
  }

  #held(node: string, id: SpiffeId): X509Svid | undefined {
    const held = this.#options.svids.held(node);
    return held?.id === id ? held : undefined;
  }

  #serves(svid: X509Svid): boolean {
    const window = expiryWindow(svid, this.#options.clock.now());
    return window === 'good' || window === 'overdue';
  }

  #isValid({ notBefore, notAfter }: X509Svid): boolean {
    const now = this.#options.clock.now();
    return notBefore <= now && now < notAfter;
  }

  #issue(node: string, id: SpiffeId, ttl: Duration, held: X509Svid | undefined): Promise<X509Svid> {
    const { svids, clock, behind } = this.#options;
    const now = clock.now();
    if (held === undefined) return svids.current(node, id, ttl, now);
    return svids.renew(node, id, lifeInPlaceOf(held.notAfter, ttl, now, behind()), now);
  }

  #due(node: string, svid: X509Svid): Deadline {
    const known = this.#dues.get(node);
    if (known?.serial === svid.serial) return known.at;
    const { clock, behind } = this.#options;
    const monotonic = clock.monotonic() + renewalIn(svid, node, clock.now(), behind());
    const at = { wall: renewalTime(svid, node), monotonic };
    this.#dues.set(node, { serial: svid.serial, at });
    return at;
  }

  #issued(node: string, svid: X509Svid): void {
    const trouble = this.#troubles.get(node);
    const due = this.#due(node, svid);
    if (trouble?.kind === 'issue') this.#settled(node);
    // Whether this one is taken is for the sidecar to say; until then nothing is to be done.
    else if (trouble !== undefined) this.#troubles.set(node, { ...trouble, again: due.monotonic });
  }

  #failed(node: string, kind: Trouble['kind'], why: string): void {
    const { clock, svids, observer, log } = this.#options;
    observer.renewalFailed(kind);
    const now = clock.now();
    const standing = this.#troubles.get(node);
    const before = standing?.kind === kind ? standing : undefined;
    const tries = (before?.tries ?? 0) + 1;
    const { first, most } = BACKOFF[kind];
    const left = Math.max(1_000, ((svids.held(node)?.notAfter ?? now) - now) / 10);
    const wait = Math.min(first * 2 ** Math.min(tries - 1, 20), most, left) * (0.5 + Math.random() / 2);
    this.#troubles.set(node, { kind, since: before?.since ?? now, tries, why, again: clock.monotonic() + wait });
    // Once for all that fail alike, as a full disk fails a thousand; a sidecar's words are its own, so it counts by its name.
    if (!this.#told.isNew(`${kind} ${kind === 'issue' ? why : node}`)) return;
    const what = kind === 'issue' ? 'certificates are not renewed' : 'a sidecar refuses its new certificate';
    log.error(
      { node, why: printable(why) },
      `${what}: what is in force goes on, and it is tried again; \`signet check\` names all concerned`,
    );
  }

  #settled(node: string): void {
    this.#troubles.delete(node);
    if (this.#troubles.size > 0) return;
    this.#told = repeats(this.#options.clock, SAME_TROUBLE);
    this.#options.log.info({ node }, 'every certificate that is due could be renewed again');
  }
}

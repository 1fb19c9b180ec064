import type { IssuedCertificate } from '../ca/issued.ts';
import { type ExpiryWindow, expiryWindow } from '../ca/renewal.ts';
import type { Store, Write } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { X509Svid } from '../spiffe/svid.ts';
import type { StreamEvent, StreamId } from '../xds/events.ts';
import type { Snapshot } from '../xds/resource.ts';
import type { Clock } from './clock.ts';
import { ClockDrift } from './clockDrift.ts';
import { ClockWatch } from './clockWatch.ts';
import { ExpiryWatch } from './expiryWatch.ts';
import type { AuthorityFacts, ClockFacts } from './health/facts.ts';
import { type HeldCertificate, HeldCertificates, type HeldState } from './heldCertificates.ts';
import type { JoinTokens } from './joinTokens.ts';
import { lastKnown } from './lastKnown.ts';
import { type IssuedCertificates, type LiveCertificate, liveCertificates } from './liveCertificates.ts';
import type { Log, Observer } from './log.ts';
import { type Issuing, Renewals } from './renewals.ts';
import type { Sidecar } from './sidecar.ts';

/** Whoever keeps the workloads' certificates. */
export type SvidKeeper = Issuing & {
  /** Of every instance that is known, connected or not. */
  readonly list: () => readonly IssuedCertificates[];
  /** The node id that a certificate was issued to, by its serial, until it ends. */
  readonly holderOf: (serial: string, now: Instant) => string | undefined;
  /** Every certificate that has not ended, also of instances that were forgotten. */
  readonly live: (now: Instant) => readonly IssuedCertificate[];
  /** Takes what these instances hold, and lets them have nothing until they join anew. */
  readonly bar: (
    nodes: readonly string[],
    now: Instant,
    commit: (writes: readonly Write[]) => Promise<void>,
  ) => Promise<void>;
  /** Drops what is kept for an instance that is gone for good. */
  readonly forget: (node: string) => Promise<void>;
  /** Drops what has expired, and the record of what was issued that had ended at `over` already. */
  readonly forgetExpired: (now: Instant, over: Instant) => Promise<unknown>;
};

/** The certificate of a connected sidecar. */
export type CertificateInUse = Pick<X509Svid, 'id' | 'serial' | 'notBefore' | 'notAfter'> & {
  readonly node: string;
  /** Of the newest one; the one in use is older where that is not `held`. */
  readonly state: HeldState;
  readonly window: ExpiryWindow;
};

export type WorkloadCertificatesOptions = {
  readonly clock: Clock;
  readonly store: Store;
  readonly tokens: JoinTokens;
  readonly svids: SvidKeeper;
  readonly authorities: () => readonly AuthorityFacts[];
  /** The connected sidecars, and what each was published last. */
  readonly connected: () => readonly Pick<Sidecar, 'stream' | 'node'>[];
  readonly nodeOf: (stream: StreamId) => string | undefined;
  readonly svidOf: (stream: StreamId) => X509Svid | undefined;
  /** By its serial. */
  readonly isRevoked: (serial: string) => boolean;
  /** The wall clock is another one: everything that depends on it is to be looked at again. */
  readonly onJump: () => void;
  readonly log: Log;
  readonly observer: Observer;
};

/** The certificates of the sidecars over their lives: when they are due, what each sidecar really holds, and what the clocks make of it. */
export class WorkloadCertificates {
  readonly #options: WorkloadCertificatesOptions;
  readonly #clockWatch: ClockWatch;
  readonly #held = new HeldCertificates();
  readonly #expiry: ExpiryWatch;
  readonly renewals: Renewals;
  /** What the sidecars' clocks say. */
  readonly drift: ClockDrift;

  constructor(options: WorkloadCertificatesOptions) {
    this.#options = options;
    const { clock, store, tokens, svids, authorities, log, observer } = options;
    const issued = svids.list().map(({ svid }) => svid);
    const onJump = (): void => {
      this.drift.clockJumped();
      options.onJump();
    };
    this.drift = new ClockDrift(clock, log);
    this.#clockWatch = new ClockWatch({ clock, lastKnown: lastKnown(store, tokens, issued), onJump, log, observer });
    this.renewals = new Renewals({ clock, svids, behind: () => this.#clockWatch.behind(), log, observer });
    this.#expiry = new ExpiryWatch({ clock, certificates: () => this.inUse(), authorities, log });
  }

  close(): void {
    this.#clockWatch.close();
    this.#expiry.close();
  }

  /** A stream is published this snapshot. */
  published(stream: StreamId, snapshot: Snapshot): void {
    this.#held.published(stream, this.#options.svidOf(stream), snapshot);
  }

  onEvent(event: StreamEvent): void {
    const answer = this.#held.follow(event);
    const node = answer && this.#options.nodeOf(event.stream);
    if (answer === undefined || node === undefined) return;
    const { svid, error } = answer;
    if (error === undefined) this.renewals.taken(node, svid.serial);
    else this.renewals.refused(node, svid.serial, error);
  }

  /** What a sidecar says of its certificate. */
  of(stream: StreamId): HeldCertificate | undefined {
    return this.#held.of(stream);
  }

  /** What each connected sidecar uses, by its own word where there is one. */
  inUse(): readonly CertificateInUse[] {
    const now = this.#options.clock.now();
    return this.#options.connected().flatMap(({ stream, node }) => {
      const said = this.#held.of(stream);
      const svid = said?.svid ?? this.#options.svidOf(stream);
      if (svid === undefined) return [];
      const { id, serial, notBefore, notAfter } = svid;
      return [{ node, id, serial, notBefore, notAfter, state: said?.state ?? 'sent', window: expiryWindow(svid, now) }];
    });
  }

  /** Every certificate that was issued and has not ended: of connected instances, of others, and those from before a renewal. */
  live(): { readonly at: Instant; readonly live: readonly LiveCertificate[] } {
    const connected = new Map<string, HeldCertificate[]>();
    for (const { stream, node } of this.#options.connected()) {
      const said = this.#held.of(stream) ?? { state: 'sent', svid: undefined, error: undefined };
      connected.set(node, [...(connected.get(node) ?? []), said]);
    }
    const at = this.#options.clock.now();
    const { svids, isRevoked } = this.#options;
    const sources = { issued: svids.list(), connected, ledger: svids.live(at), isRevoked };
    return { at, live: liveCertificates(sources, at) };
  }

  clocks(): ClockFacts {
    const [watch, drift] = [this.#clockWatch, this.drift];
    return { behind: watch.behind(), lastJump: watch.lastJump(), drifting: drift.list(), telling: drift.size };
  }
}

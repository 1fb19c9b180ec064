import type { Store, Write } from '../lib/store.ts';
import type { Instant } from '../lib/time.ts';
import type { ServiceKey } from '../model/mesh.ts';
import type { Endpoint } from '../plan/proxyPlan.ts';
import type { Clock } from './clock.ts';
import {
  BACK_WITHIN,
  CROWD_HOLD,
  CROWD_WINDOW,
  type Gone,
  judgeDepartures,
  type Kept,
  START_GRACE,
} from './departures.ts';
import { decodeJson, encodeJson, endpointKey } from './keys.ts';

/** Where one instance can be called. */
export type Registration = {
  readonly node: string;
  readonly service: ServiceKey;
  readonly address: string;
  readonly registeredAt: Instant;
};

export type RegisteredInstance = Registration & { readonly leftAt: Instant | undefined };

export type EndpointTrackerOptions = {
  readonly store: Store;
  readonly clock: Clock;
  /** Services whose live addresses are now others. */
  readonly onChange: (services: ReadonlySet<ServiceKey>) => void;
  readonly onFailure: (error: unknown) => void;
};

type Tracked = {
  registration: Registration;
  /** Live streams and the address that each brought, oldest first. */
  readonly streams: Map<string, string>;
  leftAt: Instant | undefined;
};

/** No more looks than this, however many come and go. */
const LOOK_EVERY = 250;

/** The instances that registered themselves: stored, and withdrawn only as `judgeDepartures` says. */
export class EndpointTracker {
  readonly #options: EndpointTrackerOptions;
  readonly #startedAt: Instant;
  readonly #tracked = new Map<string, Tracked>();
  /** The same, by service. */
  readonly #nodes = new Map<ServiceKey, Set<string>>();
  #gone: Gone[] = [];
  readonly #table = new Map<ServiceKey, readonly Endpoint[]>();
  /** Services whose list in the table may be old. */
  readonly #stale = new Set<ServiceKey>();
  #wake: { readonly at: Instant; readonly cancel: () => void } | undefined;
  #closed = false;

  /** Starts with what the store holds; nobody of it is live yet. */
  constructor(options: EndpointTrackerOptions) {
    this.#options = options;
    const now = options.clock.now();
    for (const entry of options.store.list(endpointKey(''))) {
      const registration = decodeJson<Registration>(entry);
      if (registration === undefined) continue;
      this.#put({ registration, streams: new Map(), leftAt: now });
    }
    this.#startedAt = now;
    if (this.#tracked.size > 0) this.#wakeAt(now + START_GRACE);
  }

  /** A stream of this instance lives. The newest address counts. */
  arrived(stream: string, node: string, service: ServiceKey, address: string): void {
    const streams = this.#tracked.get(node)?.streams ?? new Map<string, string>();
    streams.set(stream, address);
    this.#register(node, service, address, streams);
    // Whoever is away may be withdrawn now that somebody of the service is here.
    if (this.#wake === undefined) this.#wakeAt(this.#options.clock.now() + LOOK_EVERY);
  }

  /** One stream of this instance ended; what another live one of it brought counts again. */
  left(stream: string, node: string): void {
    const tracked = this.#tracked.get(node);
    if (tracked === undefined || !tracked.streams.delete(stream)) return;
    const address = [...tracked.streams.values()].at(-1);
    if (address !== undefined) {
      this.#register(node, tracked.registration.service, address, tracked.streams);
      return;
    }
    tracked.leftAt = this.#options.clock.now();
    this.#wakeAt(tracked.leftAt + BACK_WITHIN);
  }

  #register(node: string, service: ServiceKey, address: string, streams: Map<string, string>): void {
    const old = this.#tracked.get(node)?.registration;
    const same = old?.service === service && old.address === address;
    const registration = same ? old : { node, service, address, registeredAt: this.#options.clock.now() };
    this.#put({ registration, streams, leftAt: undefined });
    if (!same) {
      this.#save([{ key: endpointKey(node), value: encodeJson(registration) }]);
      this.#tell(new Set(old === undefined ? [service] : [service, old.service]));
    }
    this.#replaceDead(registration);
  }

  /** Withdraws instances at once: their credential or their service is no more. */
  expel(nodes: readonly string[]): void {
    this.#remove(nodes.filter((node) => this.#tracked.has(node)));
  }

  /**
   * What callers are told now, in the order of the addresses, so that equal sets are equal bytes. A service's list is the
   * same object until it changes.
   */
  table(): ReadonlyMap<ServiceKey, readonly Endpoint[]> {
    for (const service of this.#stale) {
      const addresses = new Set<string>();
      this.#nodes.get(service)?.forEach((node) => {
        const tracked = this.#tracked.get(node);
        if (tracked !== undefined) addresses.add(tracked.registration.address);
      });
      if (addresses.size === 0) this.#table.delete(service);
      else this.#table.set(service, this.#endpoints(service, [...addresses].sort()));
    }
    this.#stale.clear();
    return this.#table;
  }

  #put(tracked: Tracked): void {
    const { node, service } = tracked.registration;
    const old = this.#tracked.get(node)?.registration;
    if (old !== undefined && old.service !== service) this.#drop(node);
    this.#tracked.set(node, tracked);
    if (old === tracked.registration) return;
    this.#nodes.set(service, (this.#nodes.get(service) ?? new Set()).add(node));
    this.#stale.add(service);
  }

  #drop(node: string): void {
    const service = this.#tracked.get(node)?.registration.service;
    if (service === undefined) return;
    this.#tracked.delete(node);
    const nodes = this.#nodes.get(service);
    nodes?.delete(node);
    if (nodes?.size === 0) this.#nodes.delete(service);
    this.#stale.add(service);
  }

  #endpoints(service: ServiceKey, addresses: readonly string[]): readonly Endpoint[] {
    const known = this.#table.get(service);
    if (known?.length === addresses.length && known.every(({ address }, at) => address === addresses[at])) return known;
    return addresses.map((address) => ({ address, ports: {}, mtls: 'sidecar' }));
  }

  list(): readonly RegisteredInstance[] {
    return [...this.#tracked.values()].map(({ registration, leftAt }) => ({ ...registration, leftAt }));
  }

  /** Those that are away, and why callers are still told of them. */
  kept(now: Instant): readonly Kept[] {
    return judgeDepartures(this.list(), this.#gone, this.#startedAt, now).kept;
  }

  /** Until when nothing is withdrawn because of the start; `undefined` once that is over. */
  graceUntil(now: Instant): Instant | undefined {
    const until = this.#startedAt + START_GRACE;
    return now < until ? until : undefined;
  }

  close(): void {
    this.#closed = true;
    this.#wake?.cancel();
  }

  /** Another instance of the service took over the address of one that is away: same place, nothing to wait for. */
  #replaceDead({ node, service, address }: Registration): void {
    const dead: string[] = [];
    this.#nodes.get(service)?.forEach((other) => {
      const tracked = this.#tracked.get(other);
      if (other === node || tracked?.streams.size !== 0) return;
      if (tracked.registration.address === address) dead.push(other);
    });
    this.#remove(dead);
  }

  /** Looks at the latest then. At least every 30 s, so that a jump of the wall clock is noticed. */
  #wakeAt(at: Instant): void {
    if (this.#closed || (this.#wake !== undefined && this.#wake.at <= at)) return;
    this.#wake?.cancel();
    const wait = Math.min(Math.max(at - this.#options.clock.now(), LOOK_EVERY), 30_000);
    this.#wake = { at, cancel: this.#options.clock.after(wait, () => this.#judge()) };
  }

  #judge(): void {
    this.#wake = undefined;
    if (!this.#isAnybodyAway()) return;
    const now = this.#options.clock.now();
    this.#gone = this.#gone.filter(({ at }) => now - at <= CROWD_HOLD + CROWD_WINDOW);
    const { withdraw, again } = judgeDepartures(this.list(), this.#gone, this.#startedAt, now);
    for (const node of withdraw) {
      const tracked = this.#tracked.get(node);
      if (tracked?.leftAt !== undefined) this.#gone.push({ service: tracked.registration.service, at: tracked.leftAt });
    }
    this.#remove(withdraw);
    if (again !== undefined) this.#wakeAt(again);
  }

  #isAnybodyAway(): boolean {
    for (const { leftAt } of this.#tracked.values()) if (leftAt !== undefined) return true;
    return false;
  }

  #remove(nodes: readonly string[]): void {
    if (nodes.length === 0) return;
    const services = new Set(nodes.flatMap((node) => this.#tracked.get(node)?.registration.service ?? []));
    const before = new Map(this.table());
    for (const node of nodes) this.#drop(node);
    this.#save(nodes.map((node) => ({ key: endpointKey(node), value: undefined })));
    const after = this.table();
    this.#tell(new Set([...services].filter((key) => before.get(key) !== after.get(key))));
  }

  #tell(services: ReadonlySet<ServiceKey>): void {
    if (services.size > 0) this.#options.onChange(services);
  }

  #save(writes: readonly Write[]): void {
    this.#options.store.commit(writes).catch(this.#options.onFailure);
  }
}

import { randomBytes } from 'node:crypto';
import type { IssuedCertificate } from '../../ca/issued.ts';
import type { SvidKeeper } from '../../ca/svidStore.ts';
import { leavesAt, livesOf } from '../../features/revocation/plan.ts';
import { AppError, messageOf } from '../../lib/errors.ts';
import { err, ok, type Result } from '../../lib/result.ts';
import type { Store } from '../../lib/store.ts';
import type { Duration, Instant } from '../../lib/time.ts';
import type { Mesh, ServiceKey } from '../../model/mesh.ts';
import type { UpstreamKey } from '../../plan/proxyPlan.ts';
import { portsAdmitting, type Revoked } from '../../plan/revoked.ts';
import type { SpiffeId } from '../../spiffe/spiffeId.ts';
import { type Clock, every } from '../clock.ts';
import type { ClockRecord } from '../clockRecord.ts';
import type { JoinTokens } from '../joinTokens.ts';
import { cutKey, decodeJson, encodeJson, endpointKey, revocationKey } from '../keys.ts';
import type { Log } from '../log.ts';
import type { RevocationAct, RevokeRefusal } from './act.ts';
import { findTarget, isMeant, plainSerial, type Target } from './target.ts';

export type RevocationsOptions = {
  readonly store: Store;
  readonly clock: Clock;
  /** By which certificates have ended: what is revoked is let in again by no clock that is set, and found in spite of it. */
  readonly clockRecord: Pick<ClockRecord, 'atLeast'>;
  readonly mesh: () => Mesh;
  readonly tokens: JoinTokens;
  /** The certificates that were issued, and the bar against new ones. */
  readonly svids: Pick<SvidKeeper, 'live' | 'bar'>;
  /** Ends the streams of these nodes and tokens, and withdraws their addresses. */
  readonly dismiss: (nodes: ReadonlySet<string>, tokens: ReadonlySet<string>) => void;
  /** What the servers of these services refuse is another. */
  readonly onChange: (servers: ReadonlySet<ServiceKey>) => void;
  readonly log: Log;
};

export type RevokeAsk = {
  /** A serial, a SPIFFE ID or NS/IDENTITY. */
  readonly what: string;
  readonly reason?: string | undefined;
  /** Also ends what the servers concerned are in the middle of, everybody's. */
  readonly cut?: boolean | undefined;
};

const ATTEMPTS = 5;
const LOOK_EVERY: Duration = 10_000;

/**
 * What was revoked: kept before it has any effect, and until no connection can live that was made with it. Servers refuse all that
 * is kept.
 */
export class Revocations {
  readonly #options: RevocationsOptions;
  readonly #acts = new Map<string, RevocationAct>();
  readonly #cuts = new Map<UpstreamKey, Instant>();
  #revoked: Revoked;
  #bySerial: ReadonlyMap<string, RevocationAct> = new Map();
  readonly #cancel: () => void;

  constructor(options: RevocationsOptions) {
    this.#options = options;
    for (const entry of options.store.list(revocationKey(''))) {
      const act = decodeJson<RevocationAct>(entry);
      if (act !== undefined) this.#acts.set(act.act, act);
    }
    for (const entry of options.store.list(cutKey(''))) {
      const at = decodeJson<Instant>(entry);
      if (at !== undefined) this.#cuts.set(entry.key.slice(cutKey('').length) as UpstreamKey, at);
    }
    this.#revoked = this.#index();
    this.#cancel = every(options.clock, LOOK_EVERY, () => void this.#prune());
  }

  close(): void {
    this.#cancel();
  }

  /** For plans: what all servers are to refuse. The same object until it changes. */
  revoked(): Revoked {
    return this.#revoked;
  }

  /** Those of which something is still refused, the newest first. */
  acts(): readonly RevocationAct[] {
    return [...this.#acts.values()].sort((a, b) => b.at - a.at);
  }

  act(id: string): RevocationAct | undefined {
    return this.#acts.get(id);
  }

  /** How a certificate was revoked, by its serial; `undefined` if it was not. */
  revocationOf(serial: string): RevocationAct | undefined {
    return this.#bySerial.get(serial);
  }

  /** The revocation of what is a serial that was revoked already. */
  before(what: string): RevocationAct | undefined {
    const serial = plainSerial(what);
    const meant = [...this.#bySerial].filter(([one]) => isMeant(serial, one));
    return meant.length === 1 ? meant[0]?.[1] : undefined;
  }

  /** Certificates that may be good for somebody, revoked ones among them. */
  live(): readonly IssuedCertificate[] {
    const { svids, clockRecord, mesh } = this.#options;
    return svids.live(clockRecord.atLeast(mesh().certificates.ttl));
  }

  /** What would be revoked. */
  find(what: string): Result<Target, RevokeRefusal> {
    const { mesh, tokens } = this.#options;
    const issued = this.live().filter(({ serial }) => this.revocationOf(serial) === undefined);
    return findTarget({ mesh: mesh(), issued, joined: tokens.claims().map(({ node }) => node) }, what);
  }

  /**
   * Revokes for good: kept in one commit before anything else happens, so that no fall of this process takes it back. A
   * certificate that was revoked before is not revoked again.
   * @throws AppError the store's
   */
  async revoke(ask: RevokeAsk): Promise<Result<RevocationAct, RevokeRefusal>> {
    const before = this.before(ask.what);
    const made = before === undefined ? await this.#make(ask) : ok(before);
    if (made.ok && ask.cut === true) await this.#cut(made.value);
    return made;
  }

  /** Never rejects: what cannot be dropped goes on being refused. */
  async #prune(): Promise<void> {
    if (this.#acts.size === 0 && this.#cuts.size === 0) return;
    await this.#dropOver().catch((error: unknown) =>
      this.#options.log.error({ why: messageOf(error) }, 'a revocation that is over could not be dropped'),
    );
  }

  /** Drops what no server has to refuse any more, and cuts of ports that are gone. */
  async #dropOver(): Promise<void> {
    const { mesh, clockRecord } = this.#options;
    const { ttl } = mesh().certificates;
    const now = clockRecord.atLeast(livesOf(ttl));
    // One that revoked tokens alone is of no use once its day is over.
    const isOver = ({ at, certificates }: RevocationAct): boolean =>
      certificates.length === 0 ? now - at > ttl : certificates.every((one) => now >= leavesAt(one, ttl));
    const over = [...this.#acts.values()].filter(isOver);
    const isThere = (key: UpstreamKey): boolean =>
      [...mesh().services.values()].some((service) =>
        service.ports.some(({ port }) => `${service.key}:${port}` === key),
      );
    const gone = [...this.#cuts.keys()].filter((key) => !isThere(key));
    const keys = [...over.map(({ act }) => revocationKey(act)), ...gone.map(cutKey)];
    if (keys.length === 0) return;
    await this.#options.store.commit(keys.map((key) => ({ key, value: undefined })));
    for (const { act } of over) this.#acts.delete(act);
    for (const key of gone) this.#cuts.delete(key);
    this.#revoked = this.#index();
    for (const act of over) this.#changed(act);
  }

  async #make({ what, reason }: RevokeAsk): Promise<Result<RevocationAct, RevokeRefusal>> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const target = this.find(what);
      if (!target.ok) return target;
      try {
        const act = await this.#commit(target.value, reason);
        if (!act.ok) return act;
        this.#effect(target.value, act.value);
        return ok(await this.#catchUp(act.value, new Set(target.value.instances)));
      } catch (error) {
        // A token or an instance changed in that moment.
        if (!(error instanceof AppError && error.code === 'conflict')) throw error;
      }
    }
    throw new AppError('conflict', `${what} changed ${ATTEMPTS} times while it was revoked: try again`);
  }

  async #commit(target: Target, reason: string | undefined): Promise<Result<RevocationAct, RevokeRefusal>> {
    const { svids, clock, tokens, store } = this.#options;
    const now = clock.now();
    const going = target.wholeIdentity ? tokens.revokeWrites(new Set(target.services), now) : [];
    if (target.certificates.length === 0 && going.length === 0) {
      const message = `${target.what} has no valid certificate and no join token that are not revoked yet`;
      return err({ code: 'nothing_to_revoke', message });
    }
    const act: RevocationAct = {
      act: randomBytes(8).toString('hex'),
      at: now,
      what: target.what,
      reason,
      certificates: target.certificates,
      tokens: going.map(({ id }) => id),
    };
    const write = { key: revocationKey(act.act), value: encodeJson(act), ifRevision: 0 };
    // Should this process fall now, the next one must not tell callers of them.
    const addresses = target.instances.map((instance) => ({ key: endpointKey(instance), value: undefined }));
    await svids.bar(target.instances, tokens.barringAt(target.instances, now), (bars) =>
      store.commit([write, ...addresses, ...going.map((token) => token.write), ...bars]),
    );
    this.#put(act);
    return ok(act);
  }

  #effect(target: Pick<Target, 'instances'>, act: RevocationAct): void {
    const { dismiss, log } = this.#options;
    dismiss(new Set(target.instances), new Set(act.tokens));
    const serials = act.certificates.map(({ serial }) => serial);
    const { instances } = target;
    log.warn({ what: act.what, reason: act.reason, serials, instances, tokens: act.tokens }, 'revoked');
    this.#changed(act);
  }

  /** Certificates that were on their way to the store when it was looked at. The bar lets no more come. */
  async #catchUp(made: RevocationAct, instances: ReadonlySet<string>): Promise<RevocationAct> {
    const late = this.live().filter(
      ({ serial, instance }) => instances.has(instance) && this.revocationOf(serial) === undefined,
    );
    if (late.length === 0) return made;
    const act = { ...made, certificates: [...made.certificates, ...late] };
    await this.#options.store.commit([{ key: revocationKey(act.act), value: encodeJson(act) }]);
    this.#put(act);
    this.#changed(act);
    return act;
  }

  async #cut(act: RevocationAct): Promise<void> {
    const { store, clock, log } = this.#options;
    const now = clock.now();
    const ports = this.portsOf(act.certificates.map(({ id }) => id));
    if (ports.length === 0) return;
    await store.commit(ports.map((port) => ({ key: cutKey(port), value: encodeJson(now) })));
    for (const port of ports) this.#cuts.set(port, now);
    this.#revoked = this.#index();
    log.warn({ what: act.what, ports }, 'connections are drained and cut, of every caller');
    this.#changed(act);
  }

  /** Every port that may admit one of these. */
  portsOf(ids: readonly SpiffeId[]): readonly UpstreamKey[] {
    const ports = [...new Set(ids)].flatMap((id) => portsAdmitting(this.#options.mesh(), id));
    return [...new Set(ports.map(({ service, port }): UpstreamKey => `${service.key}:${port.port}`))].sort();
  }

  #changed({ certificates }: RevocationAct): void {
    const mesh = this.#options.mesh();
    const ids = [...new Set(certificates.map(({ id }) => id))];
    this.#options.onChange(new Set(ids.flatMap((id) => portsAdmitting(mesh, id).map(({ service }) => service.key))));
  }

  #put(act: RevocationAct): void {
    this.#acts.set(act.act, act);
    this.#revoked = this.#index();
  }

  #index(): Revoked {
    const acts = [...this.#acts.values()];
    this.#bySerial = new Map(acts.flatMap((act) => act.certificates.map(({ serial }) => [serial, act] as const)));
    const certificates = acts.flatMap((act) => act.certificates);
    return { certificates, cuts: new Map(this.#cuts) };
  }
}

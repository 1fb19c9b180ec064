import { ok, type Result } from '../../lib/result.ts';
import type { Store } from '../../lib/store.ts';
import { iso } from '../../lib/time.ts';
import type { Mesh } from '../../model/mesh.ts';
import { pathOfId, type SpiffeId } from '../../spiffe/spiffeId.ts';
import type { StreamEvent } from '../../xds/events.ts';
import type { Clock } from '../clock.ts';
import type { Fleet } from '../fleet.ts';
import type { JoinTokens } from '../joinTokens.ts';
import type { Log } from '../log.ts';
import type { Reconciler } from '../reconciler.ts';
import type { Sidecar } from '../sidecar.ts';
import type { RevocationStatus } from '../status.ts';
import type { RevocationAct, RevokeRefusal } from './act.ts';
import { type RevocationAnswer, refusingAnswer, revokedAnswer, sideEffects } from './answer.ts';
import { RefusedBy, type Refusing } from './refusedBy.ts';
import { Revocations, type RevocationsOptions, type RevokeAsk } from './revocations.ts';

export type RevocationOptions = {
  readonly store: Store;
  readonly clock: Clock;
  readonly clockRecord: RevocationsOptions['clockRecord'];
  readonly mesh: () => Mesh;
  readonly tokens: JoinTokens;
  readonly svids: RevocationsOptions['svids'];
  readonly fleet: () => Fleet;
  readonly reconciler: () => Reconciler;
  readonly log: Log;
};

/** One revocation and how far it has come. */
export type RevocationFacts = { readonly act: RevocationAct; readonly refusing: Refusing };

/** Revocation from end to end: what was revoked, and who is known to refuse it. */
export class Revocation {
  readonly #options: RevocationOptions;
  readonly #refusedBy: RefusedBy;
  /** Acts of which it was not told yet that they are refused everywhere. */
  readonly #untold = new Set<string>();
  readonly revocations: Revocations;

  constructor(options: RevocationOptions) {
    this.#options = options;
    const { clock, mesh, tokens, fleet, reconciler } = options;
    this.revocations = new Revocations({
      ...options,
      dismiss: (nodes, byToken) => fleet().dismiss(nodes, byToken),
      onChange: (servers) => reconciler().markServers(servers),
    });
    this.#refusedBy = new RefusedBy({
      mesh,
      members: () => fleet().members(),
      inboundOf: (stream) => reconciler().inboundOf(stream),
      emittedFor: (stream) => reconciler().emittedFor(stream),
      joined: () => tokens.claims(),
      mayReturn: (node) => tokens.joinOf(node, mesh().rejoin, clock.now()) !== undefined,
      good: () => this.revocations.live().filter(({ serial }) => this.revocations.revocationOf(serial) === undefined),
    });
  }

  follow(sidecar: Sidecar, event: StreamEvent): void {
    if (this.#refusedBy.follow(sidecar, event)) this.#tell();
  }

  /** What `revoke` would do; nothing is done. */
  preview(ask: RevokeAsk): Result<RevocationAnswer, RevokeRefusal> {
    const before = this.revocations.before(ask.what);
    if (before !== undefined) return ok(this.#answered(before, ask.cut === true));
    const target = this.revocations.find(ask.what);
    if (!target.ok) return target;
    const { what, certificates, services, wholeIdentity } = target.value;
    const tokens = wholeIdentity ? this.#tokensOf(new Set(services)) : [];
    const refusing = this.#refusedBy.of(certificates);
    return ok({
      ...this.#answer({ what, reason: ask.reason, certificates, tokens }, refusing, ask.cut === true),
      act: null,
      at: null,
    });
  }

  /** @throws AppError the store's */
  async revoke(ask: RevokeAsk): Promise<Result<RevocationAnswer, RevokeRefusal>> {
    const revoked = await this.revocations.revoke(ask);
    if (!revoked.ok) return revoked;
    this.#untold.add(revoked.value.act);
    this.#tell();
    return ok(this.#answered(revoked.value, ask.cut === true));
  }

  /** How far one has come. */
  answer(act: string): RevocationAnswer | undefined {
    const found = this.revocations.act(act);
    return found === undefined ? undefined : this.#answered(found, false);
  }

  /** All of which something is still refused, the newest first. */
  facts(): readonly RevocationFacts[] {
    return this.revocations.acts().map((act) => ({ act, refusing: this.#refusedBy.of(act.certificates) }));
  }

  /** The same for `signet status`. */
  status(): readonly RevocationStatus[] {
    return this.facts().map(({ act: { act, at, what, reason, certificates }, refusing }) => ({
      act,
      at: iso(at),
      what,
      reason: reason ?? null,
      serials: certificates.map(({ serial }) => serial),
      refusing: refusingAnswer(refusing),
    }));
  }

  /** A sentence where certificates of this identity are revoked: the verdict of the rules is not all then. */
  noteOn(id: SpiffeId): string | undefined {
    const ofIt = this.revocations.live().filter((one) => pathOfId(one.id) === pathOfId(id));
    const revoked = ofIt.filter(({ serial }) => this.revocations.revocationOf(serial) !== undefined);
    if (revoked.length === 0) return undefined;
    const last = iso(Math.max(...revoked.map(({ notAfter }) => notAfter)));
    if (revoked.length === ofIt.length)
      return `every valid certificate of ${id} is revoked (${revoked.length}): whoever shows one is refused everywhere; only one that joins anew may call`;
    return `${revoked.length} of ${ofIt.length} valid certificates of ${id} are revoked: who shows one of them is refused everywhere (the last ends at ${last})`;
  }

  #answered(act: RevocationAct, cut: boolean): RevocationAnswer {
    const refusing = this.#refusedBy.of(act.certificates);
    return { ...this.#answer(act, refusing, cut), act: act.act, at: iso(act.at) };
  }

  #answer(
    { what, reason, certificates, tokens }: Pick<RevocationAct, 'what' | 'reason' | 'certificates' | 'tokens'>,
    refusing: Refusing,
    cut: boolean,
  ): Omit<RevocationAnswer, 'act' | 'at'> {
    const mesh = this.#options.mesh();
    const { clock } = this.#options;
    const ports = this.revocations.portsOf(certificates.map(({ id }) => id));
    const token = (id: string) => this.#options.tokens.get(id);
    const around = { mesh, now: clock.now(), claims: this.#options.tokens.claims(), token, ports, cut };
    return {
      what,
      reason: reason ?? null,
      certificates: certificates.map((one) => revokedAnswer(one, mesh)),
      tokens,
      ...sideEffects({ what, certificates, tokens }, around),
      refusing: refusingAnswer(refusing),
    };
  }

  #tokensOf(services: ReadonlySet<string>): readonly string[] {
    const live = this.#options.tokens.list().filter(({ revokedAt }) => revokedAt === undefined);
    return live.filter(({ service }) => services.has(service)).map(({ id }) => id);
  }

  /** Says once of each that everybody who has to refuses it. */
  #tell(): void {
    for (const id of this.#untold) {
      const act = this.revocations.act(id);
      const refusing = this.#refusedBy.of(act?.certificates ?? []);
      if (act !== undefined && refusing.by < refusing.of) continue;
      this.#untold.delete(id);
      const { of, away } = refusing;
      const fields = { what: act?.what, away: away.map(({ node }) => node) };
      if (act !== undefined) this.#options.log.info(fields, `refused everywhere: ${of}/${of}`);
    }
  }
}

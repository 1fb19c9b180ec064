import { emitSecrets } from '../emit/emitSecrets.ts';
import { showDiagnostic } from '../lib/diagnostic.ts';
import { printable } from '../lib/printable.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh, ServiceKey } from '../model/mesh.ts';
import type { HostPort } from '../plan/proxyPlan.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { CallCredentials } from '../xds/callCredentials.ts';
import type { StreamEvent, StreamId } from '../xds/events.ts';
import type { SidecarRecord } from '../xds/ledger.ts';
import { type Resource, type Snapshot, TYPE } from '../xds/resource.ts';
import { Admission, type NodeClaim } from './admission.ts';
import { type AskRefusal, Bootstraps, missingService } from './bootstraps.ts';
import type { Clock } from './clock.ts';
import { Convergence } from './convergence.ts';
import { EndpointTracker } from './endpointTracker.ts';
import { Fleet, type Member } from './fleet.ts';
import type { ControlFacts } from './health/facts.ts';
import { gatherFacts } from './health/gather.ts';
import { type Claim, JoinTokens, type NewToken, type TokenRecord } from './joinTokens.ts';
import type { Log, Observer } from './log.ts';
import type { MeshSource, MeshState } from './meshSource.ts';
import { Quarantine } from './quarantine.ts';
import { type QuarantineStatus, quarantineStatus } from './quarantineStatus.ts';
import { Reconciler } from './reconciler.ts';
import { certificateEnds, type Refusal, unauthenticated } from './refusals.ts';
import type { Holder } from './rotation/sidecarFacts.ts';
import type { Caller, Sidecar } from './sidecar.ts';
import { type Connected, explainedRecord, type FleetStatus, fleetStatus } from './status.ts';
import { newStoreProbe } from './storeProbe.ts';
import type { WatchedStore } from './watchedStore.ts';

/** Whoever keeps the workloads' certificates. */
export type SvidKeeper = {
  readonly current: (node: string, id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  /** A new one, whatever is left of the old. */
  readonly renew: (node: string, id: SpiffeId, ttl: Duration, now: Instant) => Promise<X509Svid>;
  readonly renewalTime: (svid: X509Svid, node: string) => Instant;
  /** The node id that a certificate was issued to, by its serial, until it ends. */
  readonly holderOf: (serial: string, now: Instant) => string | undefined;
  /** Drops what is kept for an instance that is gone for good. */
  readonly forget: (node: string) => Promise<void>;
  /** Drops what has expired. */
  readonly forgetExpired: (now: Instant) => Promise<unknown>;
};

export type ControlPlaneOptions = {
  readonly clock: Clock;
  readonly store: WatchedStore;
  readonly source: MeshSource;
  readonly svids: SvidKeeper;
  readonly bundle: () => TrustBundle;
  readonly anchorPem: () => string;
  readonly advertised: () => HostPort | undefined;
  readonly publish: (stream: StreamId, snapshot: Snapshot) => void;
  readonly end: (stream: StreamId, refusal: Refusal) => void;
  /** Somebody who keeps a node's secrets in files was given these. */
  readonly onFetched?: (node: string, svid: X509Svid, bundle: TrustBundle) => void;
  /** Another mesh is in force. */
  readonly onMesh: (mesh: Mesh) => void;
  readonly log: Log;
  readonly observer: Observer;
};

const HOUSEKEEPING: Duration = 3_600_000;

/** The one loop, put together: the file, the fleet and the clock on one side, snapshots on the other. */
export class ControlPlane {
  readonly #options: ControlPlaneOptions;
  readonly #admission: Admission;
  readonly #tracker: EndpointTracker;
  readonly #reconciler: Reconciler;
  readonly #convergence: Convergence;
  readonly #quarantine = new Quarantine();
  readonly #fleet: Fleet;
  readonly #startedAt: Instant;
  #cancelHousekeeping: () => void = () => {};
  readonly tokens: JoinTokens;
  readonly bootstraps: Bootstraps;
  /** `false` while the store takes no writes, so that nobody can join. */
  readonly canStore: () => Promise<boolean>;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { clock, store, log, observer, end } = options;
    this.#startedAt = clock.now();
    const mesh = (): Mesh => options.source.state().mesh;
    this.tokens = new JoinTokens(store);
    this.canStore = newStoreProbe(store, clock);
    this.bootstraps = new Bootstraps({ ...options, tokens: this.tokens, mesh });
    this.#admission = new Admission({ tokens: this.tokens, clock, mesh, holderOf: options.svids.holderOf });
    this.#convergence = new Convergence(observer.converged);
    this.#tracker = new EndpointTracker({
      store,
      clock,
      onChange: (services) => this.#reconciler.markCallers(services),
      onFailure: (error) => log.error({ err: error }, 'the store did not take an endpoint'),
    });
    this.#reconciler = new Reconciler({
      clock,
      mesh,
      endpoints: () => this.#tracker.table(),
      bundle: options.bundle,
      quarantine: this.#quarantine,
      svid: options.svids.current,
      renewalTime: options.svids.renewalTime,
      publish: options.publish,
      end,
      onReconciled: ({ revision }) => {
        this.#fleet.quarantineChanged();
        this.#convergence.published(revision, clock.now());
      },
      onFailure: ({ node }, error) => log.error({ node, err: error }, 'the sidecar keeps what it has'),
    });
    this.#fleet = new Fleet({
      clock,
      tokens: this.tokens,
      admission: this.#admission,
      mesh,
      tracker: this.#tracker,
      reconciler: this.#reconciler,
      quarantine: this.#quarantine,
      convergence: this.#convergence,
      end,
      log,
      observer,
    });
  }

  /** Starts to follow the file. */
  start(): void {
    const { source, log } = this.#options;
    const { problem } = source.state();
    if (problem !== undefined) {
      log.warn(
        { diagnostics: problem.diagnostics.map(showDiagnostic) },
        `${problem.message}; the mesh that was served last is served again`,
      );
    }
    source.start({
      refuse: (next, served) =>
        next.trustDomain === served.trustDomain
          ? undefined
          : `mesh.trustDomain was ${served.trustDomain} and is ${next.trustDomain}: every identity would change, which needs another data directory`,
      onMesh: (state, noticedAt) => this.#onMesh(state, noticedAt),
      onProblem: ({ message, diagnostics }) =>
        log.warn({ diagnostics: diagnostics.map(showDiagnostic) }, `${message}; the mesh from before stays in force`),
      onFailure: (what, error) => log.error({ err: error }, what),
    });
    this.#keepHouse();
  }

  async close(): Promise<void> {
    this.#cancelHousekeeping();
    await this.#options.source.close();
    await this.#reconciler.close();
    await this.#fleet.close();
    this.#tracker.close();
  }

  // What the xDS server asks.

  async authenticate(credentials: CallCredentials): Promise<Result<Caller, Refusal>> {
    return this.#admission.authenticate(credentials);
  }

  admit(caller: Caller, node: NodeClaim, stream: StreamId): Promise<Result<void, Refusal>> {
    return this.#fleet.admit(caller, node, stream);
  }

  /**
   * The secrets of a node, for a client that is not its Envoy: it joins if it must, and nobody is told of an endpoint.
   * @throws AppError the authority's or the store's
   */
  async fetchSecrets(caller: Caller, claim: NodeClaim): Promise<Result<readonly Resource[], Refusal>> {
    const agreed = this.#admission.agree(caller, claim.id);
    if (!agreed.ok) return agreed;
    const { node, service } = agreed.value;
    const joined = await this.#admission.join(caller, node);
    if (!joined.ok) return joined;
    const { clock, svids, bundle } = this.#options;
    const { ttl } = this.meshState().mesh.certificates;
    const svid = await svids.current(node.id, service.identity, ttl, clock.now());
    // Revoked while the certificate was made.
    if (this.tokens.get(caller.token)?.revokedAt !== undefined) return err(unauthenticated());
    const trusted = bundle();
    this.#options.onFetched?.(node.id, svid, trusted);
    return ok(emitSecrets(svid, trusted));
  }

  onEvent(event: StreamEvent): void {
    this.#fleet.onEvent(event);
  }

  // What the rotation of CAs looks at and asks for.

  holders(): readonly Holder[] {
    return this.#fleet.streams().map((member) => this.#holderOf(member));
  }

  holder(stream: StreamId): Holder | undefined {
    const member = this.#fleet.member(stream);
    return member === undefined ? undefined : this.#holderOf(member);
  }

  /** Connected sidecars, with the channel's anchors in their bootstraps as far as they say. */
  anchorsKnown(): readonly Pick<Sidecar, 'node' | 'anchors'>[] {
    return this.#fleet.streams().map(({ sidecar }) => sidecar);
  }

  /** `false` once the token that a node joined with was revoked, or it was away for too long. */
  mayReturn(node: string): boolean {
    return this.tokens.joinOf(node, this.meshState().mesh.rejoin, this.#options.clock.now()) !== undefined;
  }

  /** Instances that joined and may come back. */
  away(): readonly Claim[] {
    const here = new Set(this.#fleet.streams().map(({ sidecar }) => sidecar.node));
    return this.tokens.claims().filter(({ node }) => !here.has(node) && this.mayReturn(node));
  }

  /** Ends streams whose credential serves no more; a good client comes back with another. */
  endStreams(streams: readonly StreamId[]): void {
    for (const stream of streams) this.#options.end(stream, certificateEnds());
  }

  /** The bundle may be another one, or certificates that were in force may serve no more. */
  secretsChanged(): void {
    this.#reconciler.markSecrets();
  }

  /** A new certificate for the node of a stream, whatever is left of the old one. */
  async reissue({ node, stream }: Pick<Holder, 'node' | 'stream'>): Promise<void> {
    const { mesh } = this.meshState();
    const member = this.#fleet.member(stream);
    const identity = member && mesh.services.get(member.sidecar.service)?.identity;
    if (identity === undefined) return;
    await this.#options.svids.renew(node, identity, mesh.certificates.ttl, this.#options.clock.now());
    this.#reconciler.markSecrets(node);
  }

  #holderOf({ sidecar, record }: Member): Holder {
    const { stream, node, client, credential, envoyAdmin } = sidecar;
    const refused = record.types.get(TYPE.sds)?.nacked?.error;
    const published = this.#reconciler.secretsOf(stream);
    return { stream, node, client, credential, envoyAdmin, published, refused: refused && printable(refused) };
  }

  // What operators ask.

  now(): Instant {
    return this.#options.clock.now();
  }

  meshState(): MeshState {
    return this.#options.source.state();
  }

  streams(): number {
    return this.#fleet.size;
  }

  status(): FleetStatus {
    return fleetStatus(this.meshState(), this.#connected(), this.#tracker.list());
  }

  /** What is kept from sidecars because some refused it. */
  quarantined(): readonly QuarantineStatus[] {
    return quarantineStatus(this.#connected());
  }

  /** What `signet check` judges, as far as it is known here. */
  async health(): Promise<ControlFacts> {
    const parts = { fleet: this.#fleet, reconciler: this.#reconciler, tracker: this.#tracker };
    const quarantined = () => this.quarantined();
    return gatherFacts({ ...this.#options, ...parts, quarantined, startedAt: this.#startedAt });
  }

  /** The record of each connected sidecar; its refusals name the lines of mesh.yaml that they are about. */
  ledger(): readonly SidecarRecord[] {
    return this.#fleet
      .members()
      .map(({ sidecar, record }) => explainedRecord(record, this.#reconciler.emittedFor(sidecar.stream)));
  }

  /** Certificates in force, by instance. */
  certificates(): readonly { readonly node: string; readonly svid: X509Svid }[] {
    return this.#fleet.members().flatMap(({ sidecar }) => {
      const svid = this.#reconciler.svidOf(sidecar.stream);
      return svid === undefined ? [] : [{ node: sidecar.node, svid }];
    });
  }

  async createToken(service: ServiceKey, ttl: Duration, uses: number): Promise<Result<NewToken, AskRefusal>> {
    const missing = missingService(this.meshState().mesh, service);
    return missing === undefined ? ok(await this.bootstraps.createToken(service, ttl, uses)) : err(missing);
  }

  listTokens(): readonly (TokenRecord & { readonly instances: readonly Claim[] })[] {
    const claims = new Map<string, Claim[]>();
    for (const claim of this.tokens.claims()) {
      const known = claims.get(claim.token);
      if (known === undefined) claims.set(claim.token, [claim]);
      else known.push(claim);
    }
    return this.tokens.list().map((token) => ({ ...token, instances: claims.get(token.id) ?? [] }));
  }

  /** Refuses the token from now on and ends all streams that joined with it. `false` if there is none of that id. */
  async revokeToken(id: string): Promise<boolean> {
    const known = await this.tokens.revoke(id, this.#options.clock.now());
    if (known) this.#fleet.dismissToken(id);
    return known;
  }

  /** New certificates for every connected instance of a service, streamed at once. */
  async renew(service: ServiceKey): Promise<Result<readonly { node: string; svid: X509Svid }[], AskRefusal>> {
    const { mesh } = this.meshState();
    const missing = missingService(mesh, service);
    const found = mesh.services.get(service);
    if (missing !== undefined || found === undefined)
      return err(missing ?? { code: 'unknown_service', message: service });
    const { clock, svids } = this.#options;
    const nodes = new Set(
      this.#fleet
        .members()
        .filter((m) => m.sidecar.service === service)
        .map((m) => m.sidecar.node),
    );
    const renewed: { node: string; svid: X509Svid }[] = [];
    for (const node of nodes) {
      renewed.push({ node, svid: await svids.renew(node, found.identity, mesh.certificates.ttl, clock.now()) });
      this.#reconciler.markSecrets(node);
    }
    return ok(renewed);
  }

  #connected(): readonly Connected[] {
    return this.#fleet.members().map(({ sidecar, record }) => ({
      sidecar,
      record,
      svid: this.#reconciler.svidOf(sidecar.stream),
      snapshot: this.#reconciler.snapshotOf(sidecar.stream),
      emitted: this.#reconciler.emittedFor(sidecar.stream),
      withheld: this.#quarantine.withheld(sidecar),
    }));
  }

  #onMesh(state: MeshState, noticedAt: Instant): void {
    const { log } = this.#options;
    const { mesh, warnings } = state;
    log.info({ revision: mesh.revision, services: mesh.services.size, warnings: warnings.length }, 'mesh in force');
    this.#convergence.saved(mesh.revision, noticedAt);
    this.#quarantine.retain(mesh.services);
    this.#reconciler.markAll();
    this.#fleet.meshChanged();
    this.#options.onMesh(mesh);
  }

  #keepHouse(): void {
    const { clock, log } = this.#options;
    const tidy = async (): Promise<void> => {
      // After a jump of the clock nobody was seen for long, whoever is here.
      await this.#fleet.noteMembers();
      const before = new Set(this.tokens.claims().map(({ node }) => node));
      await this.tokens.prune(this.meshState().mesh.rejoin, clock.now());
      const held = new Set(this.tokens.claims().map(({ node }) => node));
      for (const node of before) if (!held.has(node)) await this.#options.svids.forget(node);
      await this.#options.svids.forgetExpired(clock.now());
    };
    tidy().catch((error: unknown) => log.error({ err: error }, 'old tokens could not be dropped'));
    this.#cancelHousekeeping = clock.after(HOUSEKEEPING, () => this.#keepHouse());
  }
}

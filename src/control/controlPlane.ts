import type { SvidKeeper } from '../ca/svidStore.ts';
import { emitSecrets } from '../emit/emitSecrets.ts';
import { livesOf } from '../features/revocation/plan.ts';
import { showDiagnostic } from '../lib/diagnostic.ts';
import { messageOf } from '../lib/errors.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Mesh, ServiceKey } from '../model/mesh.ts';
import type { HostPort } from '../plan/proxyPlan.ts';
import { trustBundles } from '../plan/trustBundles.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { TrustBundle, X509Svid } from '../spiffe/svid.ts';
import type { CallCredentials } from '../xds/callCredentials.ts';
import type { StreamEvent, StreamId } from '../xds/events.ts';
import type { SidecarRecord } from '../xds/ledger.ts';
import type { Resource, Snapshot } from '../xds/resource.ts';
import { Admission, type NodeClaim } from './admission.ts';
import { type AskRefusal, Bootstraps, missingService } from './bootstraps.ts';
import { WorkloadCertificates } from './certificates/workloadCertificates.ts';
import type { Clock } from './clock.ts';
import { ClockRecord } from './clockRecord.ts';
import { Convergence } from './convergence.ts';
import { EndpointTracker } from './endpointTracker.ts';
import { Fleet } from './fleet.ts';
import type { AuthorityFacts, ControlFacts } from './health/facts.ts';
import { gatherFacts } from './health/gather.ts';
import { type Claim, JoinTokens, type NewToken, type TokenRecord } from './joinTokens.ts';
import type { Log, Observer } from './log.ts';
import type { MeshSource, MeshState } from './meshSource.ts';
import { refuseOlderBundle } from './olderBundle.ts';
import { Quarantine } from './quarantine.ts';
import { type QuarantineStatus, quarantineStatus } from './quarantineStatus.ts';
import { Reconciler } from './reconciler.ts';
import { type Refusal, unauthenticated } from './refusals.ts';
import { refuseRename } from './renaming.ts';
import { repeats } from './repeats.ts';
import { Revocation } from './revocation/revocation.ts';
import { meshSources } from './rotation/meshSources.ts';
import type { Caller, Sidecar } from './sidecar.ts';
import { type Connected, explainedRecord, type FleetStatus, fleetStatus } from './status.ts';
import { newStoreProbe } from './storeProbe.ts';
import type { WatchedStore } from './watchedStore.ts';

export type ControlPlaneOptions = {
  readonly clock: Clock;
  readonly store: WatchedStore;
  readonly source: MeshSource;
  readonly svids: SvidKeeper;
  readonly bundle: () => TrustBundle;
  /** Why the authority cannot issue under another name of the mesh. */
  readonly renameFault: (name: TrustDomain) => string | undefined;
  /** The authorities whose end is to be told in time. */
  readonly authorities: () => readonly AuthorityFacts[];
  readonly anchorPem: () => string;
  readonly serverIds: () => readonly SpiffeId[];
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
/** The same failure of the same sidecar is logged once in so long; it is tried again every few seconds. */
const SAME_FAILURE: Duration = 600_000;

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
  readonly #clockRecord: ClockRecord;
  #cancelHousekeeping: () => void = () => {};
  readonly tokens: JoinTokens;
  readonly bootstraps: Bootstraps;
  readonly revocation: Revocation;
  readonly certificates: WorkloadCertificates;
  /** For the rotation of CAs. */
  readonly rotation: ReturnType<typeof meshSources>;
  /** `false` while the store takes no writes, so that nobody can join. */
  readonly canStore: () => Promise<boolean>;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { clock, store, log, observer, end } = options;
    this.#startedAt = clock.now();
    this.#clockRecord = new ClockRecord(store, clock);
    const mesh = (): Mesh => options.source.state().mesh;
    this.tokens = new JoinTokens(store);
    this.canStore = newStoreProbe(store, clock);
    this.bootstraps = new Bootstraps({ ...options, tokens: this.tokens, mesh });
    this.certificates = this.#openCertificates(options);
    this.#admission = new Admission({ tokens: this.tokens, clock, mesh, holderOf: options.svids.holderOf });
    this.#convergence = new Convergence(observer.converged);
    this.#tracker = new EndpointTracker({
      store,
      clock,
      onChange: (services) => this.#reconciler.markCallers(services),
      onFailure: (error) => log.error({ err: error }, 'the store did not take an endpoint'),
    });
    this.revocation = new Revocation({
      ...options,
      clockRecord: this.#clockRecord,
      mesh,
      tokens: this.tokens,
      fleet: () => this.#fleet,
      reconciler: () => this.#reconciler,
    });
    this.#reconciler = this.#openReconciler(options);
    this.#fleet = new Fleet({
      clock,
      tokens: this.tokens,
      admission: this.#admission,
      mesh,
      tracker: this.#tracker,
      reconciler: this.#reconciler,
      quarantine: this.#quarantine,
      convergence: this.#convergence,
      follow: (sidecar, event) => this.revocation.follow(sidecar, event),
      end,
      log,
      observer,
    });
    const [fleet, reconciler, { renewals }] = [this.#fleet, this.#reconciler, this.certificates];
    const { now } = clock;
    const clockRecord = this.#clockRecord;
    this.rotation = meshSources({ now, clockRecord, mesh, tokens: this.tokens, fleet, reconciler, renewals, end });
  }

  #openCertificates(options: ControlPlaneOptions): WorkloadCertificates {
    return new WorkloadCertificates({
      ...options,
      tokens: this.tokens,
      // A gRPC client takes its certificate from files.
      connected: () => this.#fleet.streams().flatMap(({ sidecar }) => (sidecar.client === 'grpc' ? [] : [sidecar])),
      nodeOf: (stream) => this.#fleet.nodeOf(stream),
      svidOf: (stream) => this.#reconciler.svidOf(stream),
      isRevoked: (serial) => this.revocation.revocations.revocationOf(serial) !== undefined,
      onJump: () => {
        this.#reconciler.clockJumped();
        this.#fleet.clockJumped();
      },
    });
  }

  #openReconciler(options: ControlPlaneOptions): Reconciler {
    const { clock, source, end, log } = options;
    const failures = repeats(clock, SAME_FAILURE);
    return new Reconciler({
      clock,
      mesh: () => source.state().mesh,
      endpoints: () => this.#tracker.table(),
      revoked: () => this.revocation.revocations.revoked(),
      bundle: options.bundle,
      quarantine: this.#quarantine,
      certificates: this.certificates.renewals,
      publish: (stream, snapshot) => {
        this.certificates.published(stream, snapshot);
        options.publish(stream, snapshot);
      },
      end,
      onReconciled: ({ revision }, worked) => {
        this.#fleet.quarantineChanged(worked);
        this.#convergence.published(revision, clock.now());
      },
      onFailure: ({ node }, error) => {
        if (failures.isNew(`${node} ${messageOf(error)}`))
          log.error({ node, err: error }, 'the sidecar keeps what it has');
      },
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
        refuseOlderBundle(next, served) ??
        refuseRename(next, served, {
          fleet: this.#fleet,
          planning: () => this.#reconciler.busy,
          awaited: () => this.#awaited(),
          fault: this.#options.renameFault,
        }),
      onMesh: (state, noticedAt) => this.#onMesh(state, noticedAt),
      onProblem: ({ message, diagnostics }) =>
        log.warn({ diagnostics: diagnostics.map(showDiagnostic) }, `${message}; the mesh from before stays in force`),
      onFailure: (what, error) => log.error({ err: error }, what),
    });
    this.#keepHouse();
  }

  async close(): Promise<void> {
    this.#cancelHousekeeping();
    this.certificates.close();
    this.revocation.revocations.close();
    await this.#noteTime();
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
    this.certificates.drift.told(node.id, claim.metadata);
    const { mesh } = this.meshState();
    const svid = await this.certificates.renewals.current(node.id, service.identity, mesh.certificates.ttl);
    // Revoked while the certificate was made.
    const isBarred = this.tokens.isBarred(node.id, caller.token);
    if (isBarred || this.tokens.get(caller.token)?.revokedAt !== undefined) return err(unauthenticated());
    const trusted = this.#options.bundle();
    this.#options.onFetched?.(node.id, svid, trusted);
    return ok(emitSecrets(svid, trustBundles(mesh, trusted)));
  }

  onEvent(event: StreamEvent): void {
    this.certificates.onEvent(event);
    this.#fleet.onEvent(event);
  }

  /** The bundle may be another one, or certificates that were in force may serve no more. */
  secretsChanged(): void {
    this.#reconciler.markSecrets();
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
    return fleetStatus(this.meshState(), this.#connected(), this.#tracker.list(), this.revocation.status());
  }

  /** What is kept from sidecars because some refused it. */
  quarantined(): readonly QuarantineStatus[] {
    return quarantineStatus(this.#fleet.streams().map(({ sidecar }) => this.#kept(sidecar)));
  }

  /** What `signet check` judges, as far as it is known here. */
  async health(): Promise<ControlFacts> {
    const { certificates } = this;
    const parts = { certificates, fleet: this.#fleet, reconciler: this.#reconciler, tracker: this.#tracker };
    const quarantined = () => this.quarantined();
    const revocations = () => this.revocation.facts();
    return gatherFacts({ ...this.#options, ...parts, quarantined, revocations, startedAt: this.#startedAt });
  }

  /** The record of each connected sidecar; its refusals name the lines of mesh.yaml that they are about. */
  ledger(): readonly SidecarRecord[] {
    return this.#fleet
      .members()
      .map(({ sidecar, record }) => explainedRecord(record, this.#reconciler.emittedFor(sidecar.stream)));
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
    const nodes = new Set(
      this.#fleet
        .members()
        .filter((m) => m.sidecar.service === service)
        .map((m) => m.sidecar.node),
    );
    const renewed: { node: string; svid: X509Svid }[] = [];
    for (const node of nodes) {
      renewed.push({ node, svid: await this.certificates.renewals.renew(node, found.identity, mesh.certificates.ttl) });
      this.#reconciler.markSecrets(node);
    }
    return ok(renewed);
  }

  /** Who was here before the start and has not come back, as long as that is no wonder. */
  #awaited(): readonly string[] {
    const now = this.#options.clock.now();
    return this.#tracker.graceUntil(now) === undefined ? [] : this.#tracker.kept(now).map(({ node }) => node);
  }

  #connected(): readonly Connected[] {
    return this.#fleet.members().map(({ sidecar, record }) => ({
      ...this.#kept(sidecar),
      record,
      svid: this.#reconciler.svidOf(sidecar.stream),
      snapshot: this.#reconciler.snapshotOf(sidecar.stream),
    }));
  }

  #kept(sidecar: Sidecar): Pick<Connected, 'sidecar' | 'emitted' | 'withheld'> {
    const emitted = this.#reconciler.emittedFor(sidecar.stream);
    return { sidecar, emitted, withheld: this.#quarantine.withheld(sidecar) };
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

  /** Never rejects: what cannot be noted lasts longer. */
  async #noteTime(): Promise<void> {
    const longest = livesOf(this.meshState().mesh.certificates.ttl);
    const failed = (error: unknown): void => this.#options.log.error({ err: error }, 'the time could not be noted');
    await this.#clockRecord.note(longest).catch(failed);
  }

  #keepHouse(): void {
    const { clock, log } = this.#options;
    const tidy = async (): Promise<void> => {
      // After a jump of the clock nobody was seen for long, whoever is here.
      await this.#fleet.noteMembers();
      const { rejoin, certificates } = this.meshState().mesh;
      await this.#noteTime();
      const over = this.#clockRecord.atLeast(certificates.ttl);
      const before = new Set(this.tokens.claims().map(({ node }) => node));
      await this.tokens.prune(rejoin, over);
      const held = new Set(this.tokens.claims().map(({ node }) => node));
      for (const node of before) if (!held.has(node)) await this.#options.svids.forget(node);
      await this.#options.svids.forgetExpired(over);
      this.certificates.renewals.prune();
    };
    tidy().catch((error: unknown) => log.error({ err: error }, 'old tokens could not be dropped'));
    this.#cancelHousekeeping = clock.after(HOUSEKEEPING, () => this.#keepHouse());
  }
}

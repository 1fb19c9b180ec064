import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import type { MeshAuthority } from '../../src/ca/authority.ts';
import { openAuthority } from '../../src/ca/openAuthority.ts';
import { createSvidKeeper, type SvidKeeper } from '../../src/ca/svidStore.ts';
import type { AskSerials } from '../../src/control/rotation/envoyCerts.ts';
import type { PublishedSecrets } from '../../src/control/rotation/heldSecrets.ts';
import { RotationLoop } from '../../src/control/rotation/loop.ts';
import type { Holder } from '../../src/control/rotation/sidecarFacts.ts';
import type { Store } from '../../src/lib/store.ts';
import {
  parseTrustDomain,
  type SpiffeId,
  type TrustDomain,
  trustDomainId,
  workloadId,
} from '../../src/spiffe/spiffeId.ts';
import type { StreamEvent, StreamId } from '../../src/xds/events.ts';
import { TYPE } from '../../src/xds/resource.ts';
import { memoryStore } from '../fakes/memoryStore.ts';
import { FakeClock, settle } from './fakeClock.ts';

const TD = parseTrustDomain('shop.example') as TrustDomain;
const OWN = trustDomainId(TD);
export const TTL = 3_600_000;

type Untimed<E> = E extends unknown ? Omit<E, 'stream' | 'at'> : never;

/** What an Envoy has: it keeps that whatever becomes of its stream. */
type Held = { chainPem: string; serial: string; notAfter: number; roots: readonly string[] };

export type TestSidecar = {
  readonly node: string;
  readonly id: SpiffeId;
  stream: StreamId | undefined;
  /** `acks` at once, is `deaf` (takes nothing and says nothing), `mute` (takes it and says nothing), or refuses. */
  mood: 'acks' | 'deaf' | 'mute' | 'nacks';
  client: 'envoy' | 'grpc';
  credential: string | undefined;
  envoyAdmin: { host: string; port: number } | undefined;
  refused: string | undefined;
  published: PublishedSecrets | undefined;
  held: Held | undefined;
  readonly versions: Map<string, string>;
};

const serialOf = (pem: string): string => new X509Certificate(pem).serialNumber.toLowerCase();

/** The loop over real CAs and certificates; sidecars, their streams and time are played. */
export class RotatingFleet {
  readonly clock = new FakeClock(Date.UTC(2027, 4, 17));
  readonly store: Store;
  readonly sidecars = new Map<string, TestSidecar>();
  readonly log: string[] = [];
  readonly issued: string[] = [];
  readonly ended: StreamId[] = [];
  readonly revoked = new Set<string>();
  authority!: MeshAuthority;
  keeper!: SvidKeeper;
  loop!: RotationLoop;
  askEnvoy: AskSerials = async () => undefined;
  rootLife: number | undefined;
  /** Later than this it is not by the clock record. */
  atMost = Number.POSITIVE_INFINITY;
  /** How often the roots were told to be others. */
  rootChanges = 0;
  #streams = 0;

  private constructor(store: Store) {
    this.store = store;
  }

  static async start(store: Store = memoryStore(), rootLife?: number): Promise<RotatingFleet> {
    const fleet = new RotatingFleet(store);
    fleet.rootLife = rootLife;
    await fleet.#open();
    return fleet;
  }

  async #open(): Promise<void> {
    const { store, clock, rootLife } = this;
    const options = {
      store,
      trustDomain: TD,
      now: clock.now(),
      ...(rootLife === undefined ? {} : { rootLife: () => rootLife }),
    };
    this.authority = (await openAuthority(options)).mesh;
    this.keeper = createSvidKeeper({ store, authority: this.authority, now: clock.now() });
    const say = (_: unknown, sentence: string): void => void this.log.push(sentence);
    this.loop = new RotationLoop({
      clock,
      log: { info: say, warn: say, error: say },
      authority: this.authority,
      atLeast: () => Math.min(this.clock.now(), this.atMost),
      issued: () => this.keeper.list(),
      holders: () => this.#holders(),
      secretsOf: (stream) => this.#holders().find((holder) => holder.stream === stream),
      mayReturn: (node) => !this.revoked.has(node),
      reissue: async ({ node }) => {
        const sidecar = this.#of(node);
        this.issued.push(node);
        await this.keeper.renew(node, sidecar.id, TTL, clock.now());
        await this.#publish(sidecar);
      },
      onRoots: () => {
        this.rootChanges += 1;
        for (const sidecar of this.sidecars.values()) void this.#publish(sidecar);
      },
      askEnvoy: (...asked) => this.askEnvoy(...asked),
      end: (streams) => void this.ended.push(...streams),
    });
    this.loop.start();
  }

  #of(node: string): TestSidecar {
    return this.sidecars.get(node) ?? assert.fail(`no sidecar ${node}`);
  }

  #holders(): readonly Holder[] {
    return [...this.sidecars.values()].flatMap(({ stream, ...rest }) =>
      stream === undefined ? [] : [{ ...rest, stream }],
    );
  }

  /** As SIGKILL and a start: what is in memory is gone, and every sidecar that was connected comes back. */
  async restart(): Promise<void> {
    await this.loop.close();
    const back = [...this.sidecars.values()].filter(({ stream }) => stream !== undefined);
    for (const sidecar of back) sidecar.stream = undefined;
    await this.#open();
    for (const { node } of back) await this.connect(node);
  }

  async connect(node: string, change: Partial<TestSidecar> = {}): Promise<TestSidecar> {
    const [, name = ''] = node.split('/');
    const known = this.sidecars.get(node) ?? {
      node,
      id: workloadId(TD, 'prod', name),
      stream: undefined,
      mood: 'acks',
      client: 'envoy',
      credential: undefined,
      envoyAdmin: undefined,
      refused: undefined,
      published: undefined,
      held: undefined,
      versions: new Map(),
    };
    const sidecar = Object.assign(known, change);
    if (sidecar.stream !== undefined) this.disconnect(node);
    sidecar.stream = `s${++this.#streams}` as StreamId;
    sidecar.published = undefined;
    this.sidecars.set(node, sidecar);
    await this.#publish(sidecar);
    return sidecar;
  }

  disconnect(node: string): void {
    const sidecar = this.#of(node);
    this.#tell(sidecar, { kind: 'closed' });
    sidecar.stream = undefined;
  }

  /** It answers from now on as said, and what it was sent it takes now. */
  async turn(node: string, mood: TestSidecar['mood']): Promise<void> {
    const sidecar = this.#of(node);
    sidecar.mood = mood;
    this.#deliver(sidecar);
    await settle();
  }

  async #publish(sidecar: TestSidecar): Promise<void> {
    const svid = await this.keeper.current(sidecar.node, sidecar.id, TTL, this.clock.now());
    if (sidecar.stream === undefined) return;
    const bundle = this.authority.trustBundle();
    const resources = new Map([
      [svid.id as string, { version: `leaf ${svid.serial}` }],
      [OWN as string, { version: bundle.authorities.map(serialOf).join() }],
    ]);
    sidecar.published = { svid, bundle, resources };
    this.#deliver(sidecar);
  }

  #deliver(sidecar: TestSidecar): void {
    const { published, mood, versions, stream, client } = sidecar;
    if (published === undefined || stream === undefined || mood === 'deaf' || client === 'grpc') return;
    const newer = [...published.resources].filter(([name, { version }]) => versions.get(name) !== version);
    if (mood === 'nacks') {
      if (newer.length === 0) return;
      sidecar.refused = 'no such curve';
      this.#tell(sidecar, {
        kind: 'nacked',
        type: TYPE.sds,
        version: 'v',
        resources: [],
        removed: [],
        error: 'no such curve',
      });
      return;
    }
    for (const [name, { version }] of newer) versions.set(name, version);
    const { svid, bundle } = published;
    const { chainPem, serial, notAfter } = svid;
    sidecar.held = { chainPem, serial, notAfter, roots: bundle.authorities.map(serialOf) };
    if (mood === 'mute') return;
    sidecar.refused = undefined;
    if (newer.length > 0)
      this.#tell(sidecar, {
        kind: 'acked',
        type: TYPE.sds,
        version: 'v',
        taken: new Map(newer.map(([name, { version }]) => [name, version])),
        stillRefused: false,
      });
    // What it brought along is sent to nobody who comes back, and told with the rest that it has.
    this.#tell(sidecar, { kind: 'progress', progress: 'settled', held: new Map([[TYPE.sds, new Map(versions)]]) });
  }

  #tell({ stream }: TestSidecar, what: Untimed<StreamEvent>): void {
    if (stream !== undefined) this.loop.onEvent({ ...what, stream, at: this.clock.now() } as StreamEvent);
  }

  step(): string {
    const plan = this.authority.rotation.plan();
    return plan === undefined ? 'none' : `${plan.kind} ${plan.step}${plan.paused ? ' paused' : ''}`;
  }

  waiting(): readonly string[] {
    return this.loop.report().gate?.waitingFor.map(({ node, why }) => `${node} ${why}`) ?? [];
  }

  /** Lets time pass until the plan is at this step. */
  async until(step: string, within = 10_000): Promise<void> {
    for (let passed = 0; this.step() !== step; passed += 100) {
      assert.ok(passed < within, `at ${this.step()} and not ${step}: ${this.waiting().join('; ')}`);
      await this.clock.advance(100);
    }
  }

  /** Pairs of sidecars with certificates that live of which the second would refuse the first. */
  refusals(): readonly string[] {
    const now = this.clock.now();
    const live = [...this.sidecars.values()].flatMap(({ node, held }) =>
      held && held.notAfter > now ? [{ node, held }] : [],
    );
    return live.flatMap(({ node, held }) => {
      const root = this.rootOf(held.chainPem);
      return live.filter((other) => !other.held.roots.includes(root)).map((other) => `${other.node} refuses ${node}`);
    });
  }

  rootOf(chainPem: string): string {
    const [, above = ''] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
    const issuer = new X509Certificate(above);
    const all = this.#everTrusted();
    return all.find(([, root]) => issuer.checkIssued(root) && issuer.verify(root.publicKey))?.[0] ?? 'unknown';
  }

  readonly #roots = new Map<string, X509Certificate>();

  #everTrusted(): readonly (readonly [string, X509Certificate])[] {
    for (const pem of this.authority.trustBundle().authorities) {
      const root = new X509Certificate(pem);
      this.#roots.set(root.serialNumber.toLowerCase(), root);
    }
    return [...this.#roots];
  }
}

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { meshLoader } from '../../src/app/meshLoader.ts';
import { barredKey, type IssuedCertificate } from '../../src/ca/issued.ts';
import type { SvidKeeper } from '../../src/ca/svidStore.ts';
import { ControlPlane } from '../../src/control/controlPlane.ts';
import { MeshSource } from '../../src/control/meshSource.ts';
import type { Refusal } from '../../src/control/refusals.ts';
import { watchStore } from '../../src/control/watchedStore.ts';
import { reveal, secret } from '../../src/lib/secret.ts';
import type { Store } from '../../src/lib/store.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffeId.ts';
import type { X509Svid } from '../../src/spiffe/svid.ts';
import { type Snapshot, TYPE, type TypeName } from '../../src/xds/resource.ts';
import type { NodeIdentity, StreamEvent, StreamId } from '../../src/xds/server.ts';
import { memoryStore } from '../fakes/memoryStore.ts';
import { FakeClock, settle } from './fakeClock.ts';
import { until } from './until.ts';

/** Certificates that only say when and for whom they were made; kept in memory. */
export class FakeSvids implements SvidKeeper {
  readonly issued: string[] = [];
  readonly #held = new Map<string, X509Svid>();
  readonly #all: Omit<IssuedCertificate, 'digest'>[] = [];
  failing = false;
  /** Certificates of these nodes are waited for. */
  readonly slow = new Map<string, Promise<void>>();

  readonly held: SvidKeeper['held'] = (node) => this.#held.get(node);

  readonly list: SvidKeeper['list'] = () =>
    [...this.#held].map(([instance, svid]) => ({ instance, svid, issuer: '0a', earlier: [] }));

  readonly current: SvidKeeper['current'] = (node, id, ttl, now) => this.renew(node, id, ttl, now);

  readonly renew: SvidKeeper['renew'] = async (node, id, ttl, now) => {
    await this.slow.get(node);
    if (this.failing) throw new Error('no certificates today');
    const serial = String(this.issued.push(`${node} ${id}`));
    const chainPem = `chain ${serial}`;
    const svid = { id, chainPem, keyPem: secret('key'), serial, notBefore: now - 60_000, notAfter: now + ttl };
    this.#held.set(node, svid);
    this.#all.push({ serial, id, instance: node, notAfter: svid.notAfter });
    return svid;
  };

  readonly holderOf: SvidKeeper['holderOf'] = (serial, now) => {
    const [node, svid] = [...this.#held].find(([, held]) => held.serial === serial) ?? [];
    return svid !== undefined && svid.notAfter > now ? node : undefined;
  };

  readonly live: SvidKeeper['live'] = (now) =>
    this.#all.filter(({ notAfter }) => now < notAfter).map((one) => ({ ...one, digest: one.serial.padStart(64, '0') }));

  readonly bar: SvidKeeper['bar'] = async (nodes, now, commit) => {
    await commit(nodes.map((node) => ({ key: barredKey(node), value: Buffer.from(JSON.stringify({ at: now })) })));
    for (const node of nodes) this.#held.delete(node);
  };

  readonly forget: SvidKeeper['forget'] = async (node) => {
    this.#held.delete(node);
  };

  readonly forgetExpired: SvidKeeper['forgetExpired'] = async (now) => {
    const over = [...this.#held].filter(([, { notAfter }]) => notAfter <= now);
    for (const [node] of over) this.#held.delete(node);
    return over.length;
  };
}

export type Published = { readonly stream: StreamId; readonly snapshot: Snapshot };

/** A control plane with everything real but disk, certificates, streams and time. */
export class TestControl {
  readonly clock = new FakeClock();
  readonly svids: FakeSvids;
  readonly published: Published[] = [];
  readonly ended: { stream: StreamId; refusal: Refusal }[] = [];
  readonly log: string[] = [];
  readonly refused: string[] = [];
  readonly pushed: string[] = [];
  readonly converged: number[] = [];
  readonly renewalsFailed: string[] = [];
  readonly store: Store;
  readonly folder: string;
  readonly file: string;
  readonly control: ControlPlane;
  /** Called after each publication, in the middle of the work. */
  onPublished: () => void = () => {};
  #streams = 0;

  private constructor(folder: string, store: Store, source: MeshSource, clock: FakeClock, svids: FakeSvids) {
    this.svids = svids;
    this.folder = folder;
    this.file = join(folder, 'mesh.yaml');
    this.store = store;
    this.clock = clock;
    const say = (_fields: unknown, sentence: string): void => {
      this.log.push(sentence);
    };
    this.control = new ControlPlane({
      clock,
      store: watchStore(store, clock),
      source,
      svids: this.svids,
      bundle: () => ({ trustDomain: parseTrustDomain('shop.example') as never, authorities: ['root'] }),
      authorities: () => [],
      renameFault: () => undefined,
      anchorPem: () => 'anchor',
      serverIds: () => [],
      advertised: () => ({ host: '127.0.0.1', port: 18000 }),
      publish: (stream, snapshot) => {
        this.published.push({ stream, snapshot });
        this.onPublished();
        // As the session does, before it returns.
        this.event({ kind: 'progress', stream, at: clock.now(), progress: 'pending', held: new Map() });
      },
      end: (stream, refusal) => {
        this.ended.push({ stream, refusal });
        this.event({ kind: 'closed', stream, at: clock.now() });
      },
      onMesh: () => {},
      log: { info: say, warn: say, error: say },
      observer: {
        pushed: (type, outcome) => this.pushed.push(`${type} ${outcome}`),
        refused: (code) => this.refused.push(code),
        converged: (span) => this.converged.push(span),
        renewalFailed: (kind) => this.renewalsFailed.push(kind),
        clockJumped: () => {},
      },
    });
  }

  static async start(
    mesh: string,
    store = memoryStore(),
    clock = new FakeClock(),
    svids = new FakeSvids(),
  ): Promise<TestControl> {
    const folder = await mkdtemp(join(tmpdir(), 'signet-control-'));
    const file = join(folder, 'mesh.yaml');
    await writeFile(file, mesh);
    const load = meshLoader({});
    const source = await MeshSource.open({ file, store, clock, load: async (...bytes) => load(...bytes) });
    const test = new TestControl(folder, store, source, clock, svids);
    test.control.start();
    return test;
  }

  async close(): Promise<void> {
    await this.control.close();
    await rm(this.folder, { recursive: true });
  }

  event(event: StreamEvent): void {
    this.control.onEvent(event);
  }

  async save(mesh: string): Promise<void> {
    const before = this.control.meshState();
    await writeFile(this.file, mesh);
    await until(async () => {
      await this.clock.advance(100);
      return this.control.meshState() !== before;
    });
    await this.clock.advance(10);
  }

  async token(service: `${string}/${string}`, uses = 10): Promise<string> {
    const made = await this.control.createToken(service, 3_600_000, uses);
    if (!made.ok) throw new Error(made.error.message);
    return reveal(made.value.token);
  }

  /** Connects as Envoy would. `ok` once the stream is open and what was due is published. */
  async connect(token: string, node: string, from = '127.0.0.1', metadata = {}): Promise<Refusal | StreamId> {
    const stream = `s${++this.#streams}` as StreamId;
    const peer = { address: from, port: 40_000 };
    const caller = await this.control.authenticate({ authorization: `Bearer ${token}`, peer });
    if (!caller.ok) return caller.error;
    const identity: NodeIdentity = { id: node, cluster: '', metadata, userAgent: 'test' };
    const admitted = await this.control.admit(caller.value, identity, stream);
    if (!admitted.ok) return admitted.error;
    this.event({ kind: 'opened', stream, at: this.clock.now(), node: identity, peer, only: undefined });
    await settle();
    return stream;
  }

  /** What a stream was published last, as texts. */
  resources(stream: Refusal | StreamId, type: TypeName): readonly string[] {
    const last = this.published.filter((published) => published.stream === stream).at(-1);
    return [...(last?.snapshot.get(TYPE[type])?.values() ?? [])].map(({ any }) => Buffer.from(any).toString('latin1'));
  }

  count(stream: Refusal | StreamId): number {
    return this.published.filter((published) => published.stream === stream).length;
  }
}

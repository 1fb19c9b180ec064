import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { meshLoader } from '../../src/app/meshLoader.ts';
import type { CertificateFacts } from '../../src/ca/authority.ts';
import type { CaKeyPair } from '../../src/ca/caCertificate.ts';
import { readDocument } from '../../src/ca/caDocument.ts';
import { activeIntermediate, activeRoot } from '../../src/ca/meshState.ts';
import { openAuthority } from '../../src/ca/openAuthority.ts';
import { activeOf } from '../../src/ca/slots.ts';
import { CHANNEL_FORM, MESH_FORM } from '../../src/ca/state.ts';
import { createSvidKeeper } from '../../src/ca/svidStore.ts';
import type { Join } from '../../src/control/bootstraps.ts';
import { ControlPlane } from '../../src/control/controlPlane.ts';
import { MeshSource } from '../../src/control/meshSource.ts';
import { credentialOf } from '../../src/control/sidecar.ts';
import { watchStore } from '../../src/control/watchedStore.ts';
import { reveal, secret } from '../../src/lib/secret.ts';
import type { Store } from '../../src/lib/store.ts';
import { parseTrustDomain, type SpiffeId } from '../../src/spiffe/spiffeId.ts';
import { startXdsServer, type XdsServer } from '../../src/xds/server.ts';
import { memoryStore } from '../fakes/memoryStore.ts';
import { type AdsClient, type AdsClientOptions, openAds } from './adsClient.ts';
import { FakeClock } from './fakeClock.ts';
import { until } from './until.ts';

export const SERVER_ID = 'spiffe://shop.example/signet/control-plane';

export type Pair = { readonly chainPem: string; readonly keyPem: string };

/** The control plane with real certificates on a real port; only disk and time are not. Time starts now, as OpenSSL's is. */
export type WiredControl = {
  readonly control: ControlPlane;
  readonly clock: FakeClock;
  readonly store: Store;
  readonly ca: { readonly root: CaKeyPair; readonly intermediate: CaKeyPair; readonly channel: CaKeyPair };
  readonly root: CertificateFacts;
  readonly refused: readonly string[];
  /** By what each call proved itself, or tried to. */
  readonly shown: readonly ('token' | 'certificate' | 'both')[];
  readonly token: (service: string, uses?: number, ttl?: number) => Promise<string>;
  /** What the instance was issued last. */
  readonly certificateOf: (node: string) => Pair & { readonly serial: string; readonly notAfter: number };
  readonly renew: (service: string) => Promise<void>;
  /** Another certificate for a node, as a rotation gives it. */
  readonly reissue: (node: string, id: SpiffeId) => Promise<void>;
  readonly join: (token: string) => Join;
  readonly open: (options: Partial<AdsClientOptions> & { readonly nodeId: string }) => AdsClient;
  readonly save: (mesh: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

export const startWired = async (
  mesh: string,
  kept: { readonly store?: Store; readonly clock?: FakeClock; readonly port?: number } = {},
): Promise<WiredControl> => {
  const { store = memoryStore(), clock = new FakeClock(Date.now()) } = kept;
  const folder = await mkdtemp(join(tmpdir(), 'signet-wired-'));
  const file = join(folder, 'mesh.yaml');
  await writeFile(file, mesh);
  const trustDomain = parseTrustDomain('shop.example') as never;
  const { mesh: authority, channel } = await openAuthority({ store, trustDomain, now: clock.now() });
  const held = readDocument(store, MESH_FORM, [trustDomain]);
  const anchors = readDocument(store, CHANNEL_FORM, [trustDomain]).anchors;
  const ca = {
    root: activeRoot(held).keys,
    intermediate: activeIntermediate(held).keys,
    channel: activeOf(anchors).keys,
  };
  const keeper = createSvidKeeper({ store, authority, now: clock.now() });
  const load = meshLoader({});
  const refused: string[] = [];
  const shown: ('token' | 'certificate' | 'both')[] = [];
  let server: XdsServer | undefined;
  const quiet = (): void => {};
  const control = new ControlPlane({
    clock,
    store: watchStore(store, clock),
    source: await MeshSource.open({ file, store, clock, load: async (...read) => load(...read) }),
    svids: keeper,
    bundle: authority.trustBundle,
    authorities: () => [],
    renameFault: authority.renameFault,
    anchorPem: channel.anchor,
    serverIds: channel.serverIds,
    advertised: () => server?.address(),
    publish: (stream, snapshot) => server?.publish(stream, snapshot),
    end: (stream, refusal) => server?.end(stream, refusal),
    onMesh: quiet,
    log: { info: quiet, warn: quiet, error: quiet },
    observer: {
      pushed: quiet,
      refused: (code) => refused.push(code),
      converged: quiet,
      renewalFailed: quiet,
      clockJumped: quiet,
    },
  });
  const { chainPem, keyPem } = channel.serverCredentials(clock.now());
  const clients: AdsClient[] = [];
  server = await startXdsServer({
    listen: { host: '127.0.0.1', port: kept.port ?? 0 },
    tls: { chainPem, keyPem, clientAnchorsPem: authority.trustBundle().authorities },
    authenticate: (credentials) => {
      const token = credentials.authorization === undefined ? 'certificate' : 'both';
      shown.push(credentials.certificate === undefined ? 'token' : token);
      return control.authenticate(credentials);
    },
    credentialOf,
    admit: (caller, node, stream) => control.admit(caller, node, stream),
    fetchSecrets: (caller, node) => control.fetchSecrets(caller, node),
    onEvent: (event) => control.onEvent(event),
    now: clock.now,
  });
  control.start();
  const { address, close } = server;
  return {
    control,
    clock,
    store,
    ca,
    root: authority.describe().root,
    refused,
    shown,
    token: async (service, uses = 1, ttl = 3_600_000) => {
      const made = await control.createToken(service as `${string}/${string}`, ttl, uses);
      if (!made.ok) throw new Error(made.error.message);
      return reveal(made.value.token);
    },
    certificateOf: (node) => {
      const svid = keeper.list().find(({ instance }) => instance === node)?.svid;
      if (svid === undefined) throw new Error(`${node} holds no certificate`);
      return { ...svid, keyPem: reveal(svid.keyPem) };
    },
    renew: async (service) => void (await control.renew(service as `${string}/${string}`)),
    reissue: async (node, id) => void (await keeper.renew(node, id, 20_000, clock.now())),
    join: (token) => ({ token: secret(token), xds: address(), anchorPem: channel.anchor(), serverIds: [SERVER_ID] }),
    open: (options) => {
      const client = openAds({ address: address(), anchorPem: channel.anchor(), serverId: SERVER_ID, ...options });
      clients.push(client);
      return client;
    },
    save: async (text) => {
      const before = control.meshState();
      await writeFile(file, text);
      await until(async () => {
        await clock.advance(100);
        return control.meshState() !== before;
      });
    },
    close: async () => {
      for (const client of clients) client.close();
      await close(200);
      await control.close();
      await rm(folder, { recursive: true });
    },
  };
};

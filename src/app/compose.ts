import { existsSync } from 'node:fs';
import { dirname, normalize, resolve } from 'node:path';
import type { Logger } from 'pino';
import { createMetrics, type Metrics } from '../admin/metrics.ts';
import { watchRotation } from '../admin/rotationMetrics.ts';
import type { RotationPort } from '../admin/rotationRoutes.ts';
import { type AdminServer, startAdminServer } from '../admin/server.ts';
import { signerMetrics } from '../admin/signerMetrics.ts';
import { startWaitingServer } from '../admin/waitingServer.ts';
import { openSealed } from '../ca/sealedStore.ts';
import { systemClock } from '../control/clock.ts';
import { ControlPlane } from '../control/controlPlane.ts';
import { authorityFacts } from '../control/health/authorities.ts';
import { MeshSource } from '../control/meshSource.ts';
import type { RotationLoop } from '../control/rotation/loop.ts';
import { credentialOf } from '../control/sidecar.ts';
import { type WatchedStore, watchStore } from '../control/watchedStore.ts';
import { isPlainLoopback } from '../lib/address.ts';
import { bearerCheck } from '../lib/bearer.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { HostPort } from '../lib/hostPort.ts';
import type { Secret } from '../lib/secret.ts';
import { type Mesh, ownDomains } from '../model/mesh.ts';
import { openLmdbStore } from '../store/lmdbStore.ts';
import { startXdsServer, type XdsServer } from '../xds/server.ts';
import { openAdminToken } from './adminToken.ts';
import { BootstrapFolder } from './bootstrapFolder.ts';
import { type Certificates, type FreshChannel, openCertificates } from './certificates.ts';
import { Closers } from './closers.ts';
import { listenAddress } from './listenAddress.ts';
import { loadFollowed } from './meshFile.ts';
import { type MeshThread, meshThread } from './meshThread.ts';
import { openRotations } from './rotations.ts';
import { type MeshSignerPort, meshSignerPort } from './signer.ts';
import { waitForSigner } from './waitForSigner.ts';

export type ServeOptions = {
  readonly config: string;
  readonly data: string;
  readonly xds: HostPort;
  readonly admin: HostPort;
  /** Where to keep a bootstrap for every service. */
  readonly bootstraps?: string | undefined;
  /** The keys in the data directory are encrypted with it. */
  readonly passphrase?: Secret | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Logger;
};

export type Running = {
  readonly xds: HostPort;
  readonly admin: HostPort;
  readonly close: () => Promise<void>;
};

/** How long sidecars' connections may take to close. */
const GRACE = 2_000;

/**
 * Constructs everything in order; `close` shuts it down in reverse. If a part cannot start, those before it are closed.
 * @throws AppError with one sentence for the operator
 */
export const compose = async (options: ServeOptions): Promise<Running> => {
  const closers = new Closers((error) => options.log.error({ err: error }, 'a part did not shut down well'));
  try {
    return await construct(options, closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
};

const construct = async (options: ServeOptions, closers: Closers): Promise<Running> => {
  const { told, bind } = await listenAddress(options.xds);
  const admin = await adminAddress(options.admin);
  if (options.bootstraps !== undefined && told === undefined) {
    const message = '--bootstraps needs an address that sidecars can be told: name it with --xds NAME:PORT';
    throw new AppError('usage', message);
  }
  if (options.bootstraps !== undefined && overlap(resolve(options.bootstraps), resolve(options.data))) {
    const message =
      '--bootstraps and --data overlap: a sidecar is given its folder, and must not be given the keys with it';
    throw new AppError('usage', message);
  }
  const ground = await openGround(options, admin, closers);
  const late: Late = { server: undefined, folder: undefined, channel: undefined, rotation: undefined };
  const control = startControl(options, ground, late, told);
  closers.add(() => control.close());
  const rotations = openRotations({
    clock,
    log: options.log,
    certificates: ground.certificates,
    control,
    onCertificates: () => late.channel?.look(),
    onAnchors: () => late.folder?.changed(),
  });
  late.rotation = rotations.loop;
  watchRotation(ground.metrics.registry, () => rotations.loop.progress());
  // Streams can come from here on: everything that answers them stands.
  const server = await startXds(options, bind, ground, late, control, closers);
  late.server = server;
  // Before anybody can ask whether Signet is ready: sidecars start with these files then.
  if (options.bootstraps !== undefined) {
    late.folder = await openFolder(options, options.bootstraps, ground, control);
    const { folder } = late;
    closers.add(() => folder.close());
  }
  const adminServer = await startAdmin(options, admin, ground, control, rotations);
  closers.add(() => adminServer.close());
  control.start();
  ground.certificates.meshChanged(ground.source.state().mesh.certificates.ttl, clock.now());
  const onBundle = (): void => {
    control.secretsChanged();
    late.channel?.look();
  };
  closers.add(ground.signer.keep(ground.certificates.authority, onBundle));
  rotations.loop.start();
  closers.add(() => rotations.loop.close());
  return {
    xds: { host: told ?? bind.host, port: server.address().port },
    admin: adminServer.address(),
    close: () => closers.close(),
  };
};

/** One of them is the other, or lies in it. */
const overlap = (a: string, b: string): boolean => `${a}/`.startsWith(`${b}/`) || `${b}/`.startsWith(`${a}/`);

type Ground = {
  readonly token: Secret;
  readonly store: WatchedStore;
  readonly source: MeshSource;
  readonly metrics: Metrics;
  readonly certificates: Certificates;
  readonly signer: MeshSignerPort;
};

/** What control speaks to, and what can only stand after it. */
type Late = {
  server: XdsServer | undefined;
  folder: BootstrapFolder | undefined;
  channel: FreshChannel | undefined;
  rotation: RotationLoop | undefined;
};

const clock = systemClock;

/** Nothing in the data directory can prove that it was in clear all the time. */
const CLEAR_KEYS =
  'the private keys in the data directory were not encrypted, and are from now on; if they had been, somebody has put others in their place';

const openGround = async (
  { config, env, ...options }: ServeOptions,
  admin: HostPort,
  closers: Closers,
): Promise<Ground> => {
  const data = resolve(options.data);
  const loader = meshThread(env);
  closers.add(() => loader.close());
  // A first start that cannot succeed leaves no directory behind.
  if (!existsSync(data)) await firstMesh(config, loader);
  const store = watchStore(openLmdbStore(data), clock);
  closers.add(() => store.close());
  const source = await MeshSource.open({
    file: normalize(config),
    store,
    clock,
    load: loader.load,
    prepare: loader.prepare,
  });
  const metrics = createMetrics();
  const names = () => ownDomains(source.state().mesh);
  const curve = () => source.state().mesh.certificates.curve;
  const signer = meshSignerPort({
    signer: () => source.state().mesh.certificates.signer,
    folder: dirname(resolve(config)),
    clock,
    env,
    log: options.log,
  });
  closers.add(() => signer.close());
  const token = await openAdminToken(data);
  const sealed = await openSealed(store, options.passphrase, () => options.log.warn({ data }, CLEAR_KEYS));
  const begin = (): Promise<Certificates> =>
    openCertificates({
      store: sealed,
      names,
      now: clock.now(),
      curve,
      rootLife: () => source.state().mesh.certificates.rootLife,
      issued: metrics.issued,
      log: options.log,
      signer,
      trial: [...source.state().mesh.services.values()][0]?.identity,
    });
  const certificates = await waitForSigner(begin, {
    source,
    wait: (delay) => new Promise((done) => void clock.after(delay, done)),
    openDoor: (why) => listen('--admin', options.admin, () => startWaitingServer({ listen: admin, token, why })),
    log: options.log,
  });
  return { token, store, source, metrics, certificates, signer };
};

const firstMesh = async (config: string, { load }: MeshThread): Promise<void> => {
  const loaded = await loadFollowed(config, load);
  if (!loaded.ok) throw new AppError('mesh_invalid', `${normalize(config)} has errors`, { cause: loaded.error });
};

const startControl = ({ log }: ServeOptions, ground: Ground, late: Late, told: string | undefined): ControlPlane => {
  const { store, source, metrics, certificates } = ground;
  const control = new ControlPlane({
    clock,
    store,
    source,
    svids: certificates.svids,
    bundle: certificates.authority.trustBundle,
    renameFault: certificates.authority.renameFault,
    authorities: () => authorityFacts(certificates.authority.describe(), certificates.channel.describe()),
    anchorPem: certificates.channel.anchor,
    serverIds: certificates.channel.serverIds,
    advertised: () =>
      told === undefined || late.server === undefined ? undefined : { host: told, port: late.server.address().port },
    publish: (stream, snapshot) => late.server?.publish(stream, snapshot),
    end: (stream, refusal) => late.server?.end(stream, refusal),
    onFetched: (...given) => late.rotation?.fetched(...given),
    onMesh: (mesh) => {
      late.folder?.changed();
      certificates.meshChanged(mesh.certificates.ttl, clock.now());
    },
    log,
    observer: metrics.observer,
  });
  signerMetrics(metrics.registry, () => certificates.authority.describe().signer);
  metrics.watch(control, () => authorityFacts(certificates.authority.describe(), certificates.channel.describe()));
  return control;
};

const startXds = async (
  { xds, log }: ServeOptions,
  bind: HostPort,
  { certificates, metrics, token }: Ground,
  late: Late,
  control: ControlPlane,
  closers: Closers,
): Promise<XdsServer> => {
  const server = await listen('--xds', xds, () =>
    startXdsServer({
      listen: bind,
      tls: certificates.serverTls(clock.now()),
      authenticate: (credentials) => control.authenticate(credentials),
      admit: (caller, node, stream) => control.admit(caller, node, stream),
      credentialOf,
      fetchSecrets: (caller, node) => control.fetchSecrets(caller, node),
      onEvent: (event) => {
        late.rotation?.onEvent(event);
        control.onEvent(event);
      },
      operators: { admits: bearerCheck(token), ledger: () => control.ledger() },
      onDropped: metrics.dropped,
    }),
  );
  metrics.watchDoor(server.unproven);
  closers.add(() => server.close(GRACE));
  late.channel = certificates.keepChannelFresh(clock, (tls) => server.renewTls(tls), log);
  closers.add(late.channel.stop);
  return server;
};

const startAdmin = async (
  options: ServeOptions,
  bind: HostPort,
  { token, metrics, certificates }: Ground,
  control: ControlPlane,
  rotations: RotationPort,
): Promise<AdminServer> => {
  const { authority, channel } = certificates;
  return listen('--admin', options.admin, () =>
    startAdminServer({
      listen: bind,
      token,
      control,
      ca: {
        describe: authority.describe,
        describeChannel: channel.describe,
        channelSlots: channel.slots,
        bundle: authority.trustBundle,
        imports: authority.imports,
        rotation: rotations,
      },
      registry: metrics.registry,
      onError: (error) => options.log.error({ err: error }, 'an admin request failed'),
    }),
  );
};

const openFolder = async (
  { log }: ServeOptions,
  path: string,
  { store }: Ground,
  control: ControlPlane,
): Promise<BootstrapFolder> => {
  const { tokens, bootstraps } = control;
  const mesh = (): Mesh => control.meshState().mesh;
  const folder = new BootstrapFolder({ folder: path, store, bootstraps, tokens, clock, mesh, log });
  await folder.open();
  return folder;
};

/** Plain HTTP carries the admin token, so it stays on this host. */
const adminAddress = async (asked: HostPort): Promise<HostPort> => {
  const { bind } = await listenAddress(asked);
  if (isPlainLoopback(bind.host)) return bind;
  const message = `--admin ${asked.host} is reached by other hosts, which needs HTTPS, and that is not built yet: use 127.0.0.1`;
  throw new AppError('usage', message);
};

const listenAdvice = (reason: string, port: number): string => {
  if (reason.includes('EADDRNOTAVAIL')) return 'this host has no such address: name one of its own';
  if (reason.includes('EACCES')) return `port ${port} needs a privilege that Signet does not have: name another`;
  const taken = /EADDRINUSE|No address added|in use/i.test(reason);
  return taken ? `is port ${port} taken? Is another Signet running? Stop it, or name another` : 'name another';
};

const listen = async <T>(flag: string, { port }: HostPort, start: () => Promise<T>): Promise<T> => {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'listen_failed') throw error;
    const advice = listenAdvice(`${error.message} ${messageOf(error.cause)}`, port);
    throw new AppError('listen_failed', `${error.message}: ${advice} with ${flag}`, { cause: error });
  }
};

import { join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { createMetrics } from '../admin/metrics.ts';
import { startAdminServer } from '../admin/server.ts';
import { systemClock } from '../control/clock.ts';
import { ControlPlane } from '../control/controlPlane.ts';
import { MeshSource } from '../control/meshSource.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import type { HostPort } from '../lib/hostPort.ts';
import { openLmdbStore } from '../store/lmdbStore.ts';
import { startXdsServer, type XdsServer } from '../xds/server.ts';
import { openAdminToken } from './adminToken.ts';
import { BootstrapFolder } from './bootstrapFolder.ts';
import { openCertificates } from './certificates.ts';
import { Closers } from './closers.ts';
import { openDataDirectory } from './files.ts';
import { isLoopbackHost, listenAddress } from './listenAddress.ts';
import { meshLoader } from './meshFile.ts';

export type ServeOptions = {
  readonly config: string;
  readonly data: string;
  readonly xds: HostPort;
  readonly admin: HostPort;
  /** Where to keep a bootstrap for every service. */
  readonly bootstraps?: string | undefined;
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
  const { log, config } = options;
  const clock = systemClock;
  const { bind, told } = await listenAddress(options.xds);
  const admin = await adminAddress(options.admin);
  if (options.bootstraps !== undefined && told === undefined) {
    const advice = 'name it with --xds NAME:PORT';
    throw new AppError('usage', `--bootstraps needs an address that sidecars can be told: ${advice}`);
  }
  const data = resolve(options.data);
  openDataDirectory(data);
  const store = await openLmdbStore(join(data, 'store'));
  closers.add(() => store.close());
  const source = await MeshSource.open({ file: config, store, clock, load: meshLoader(options.env) });
  const metrics = createMetrics();
  const { trustDomain } = source.state().mesh;
  const certificates = await openCertificates({ store, trustDomain, now: clock.now(), issued: metrics.issued });

  let server: XdsServer | undefined;
  let folder: BootstrapFolder | undefined;
  const control = new ControlPlane({
    clock,
    store,
    source,
    svids: certificates.svids,
    bundle: certificates.authority.trustBundle,
    anchorPem: certificates.channel.anchor,
    advertised: () =>
      told === undefined || server === undefined ? undefined : { host: told, port: server.address().port },
    publish: (stream, snapshot) => server?.publish(stream, snapshot),
    end: (stream, refusal) => server?.end(stream, refusal),
    onMesh: () => folder?.changed(),
    log,
    observer: metrics.observer,
  });
  closers.add(() => control.close());
  metrics.watch(control, () => certificates.authority.describe().root.notAfter);

  // Streams can come from here on: everything that answers them stands.
  server = await listen('--xds', options.xds, () =>
    startXdsServer({
      listen: bind,
      tls: certificates.channel.serverCredentials(clock.now()),
      authenticate: ({ authorization, peer }) => control.authenticate(authorization, peer),
      admit: (caller, node, stream) => control.admit(caller, node, stream),
      onEvent: (event) => control.onEvent(event),
    }),
  );
  const xds = server;
  closers.add(() => xds.close(GRACE));
  closers.add(certificates.keepChannelFresh(clock, (tls) => xds.renewTls(tls), log));

  const token = await openAdminToken(data);
  const adminServer = await listen('--admin', options.admin, () =>
    startAdminServer({
      listen: admin,
      token,
      control,
      ca: {
        describe: certificates.authority.describe,
        describeChannel: certificates.channel.describe,
        bundle: certificates.authority.trustBundle,
      },
      registry: metrics.registry,
      onError: (error) => log.error({ err: error }, 'an admin request failed'),
    }),
  );
  closers.add(() => adminServer.close());
  control.start();
  if (options.bootstraps !== undefined) {
    const { tokens, bootstraps } = control;
    const mesh = () => control.meshState().mesh;
    folder = new BootstrapFolder({ folder: options.bootstraps, store, bootstraps, tokens, clock, mesh, log });
    await folder.open();
    const opened = folder;
    closers.add(() => opened.close());
  }
  return {
    xds: { host: told ?? bind.host, port: xds.address().port },
    admin: adminServer.address(),
    close: () => closers.close(),
  };
};

/** Plain HTTP carries the admin token, so it stays on this host. */
const adminAddress = async (asked: HostPort): Promise<HostPort> => {
  const { bind } = await listenAddress(asked);
  if (isLoopbackHost(bind.host)) return bind;
  const message = `--admin ${asked.host} is reached by other hosts, which needs HTTPS, and that is not built yet: use 127.0.0.1`;
  throw new AppError('usage', message);
};

const listen = async <T>(flag: string, { port }: HostPort, start: () => Promise<T>): Promise<T> => {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'listen_failed') throw error;
    const taken = /EADDRINUSE|No address added|in use/i.test(`${error.message} ${messageOf(error.cause)}`);
    const advice = taken
      ? `is port ${port} taken? Is another Signet running? Stop it, or name another with ${flag}`
      : `name another with ${flag}`;
    throw new AppError('listen_failed', `${error.message}: ${advice}`, { cause: error });
  }
};

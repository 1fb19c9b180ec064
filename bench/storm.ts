import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchServer, startBenchServer } from './controlPlane.ts';
import { type Cost, cost, round, settledCpu, type Times, times, withCpu } from './measure.ts';
import { type Edit, meshText } from './meshFile.ts';
import type { FleetOptions } from './messages.ts';
import { rssMiB } from './processes.ts';
import { type Simulated, startSimulated } from './simulated.ts';

export const SERVICES = 200;

/** A span until the last ACK; `loopDelay` is the longest of the server's event loop, ms. */
export type Measured = Cost & { readonly seconds: Times; readonly loopDelay: number };

export type Storm = {
  readonly sidecars: number;
  readonly coldStart: Measured;
  readonly endpointChange: Measured;
  readonly policyChange: Measured;
  readonly fullChange: Measured;
  /** One policy change while a tenth of all sidecars read nothing. */
  readonly slowReaders: Measured;
  readonly reconnect: Cost & { readonly seconds: number; readonly loopDelay: number };
  readonly rssMiB: { readonly idle: number; readonly connected: number; readonly afterwards: number };
  readonly rssKiBPerSidecar: number;
};

export type Scene = {
  readonly server: BenchServer;
  readonly fleet: Simulated;
  /** Newcomers, and those who stop reading. */
  readonly others: Simulated;
  readonly options: FleetOptions;
  readonly sidecars: number;
};

const SLOW = 9;

/** Runs `work` with a server of `mesh` services and sidecars that are to come: they are of the first `services`. */
export const withScene = async <T>(
  sidecars: number,
  services: number,
  work: (scene: Scene) => Promise<T>,
  mesh = services,
  edit: Edit = {},
): Promise<T> => {
  const server = await startBenchServer(meshText(mesh, edit));
  const [fleet, others] = [startSimulated(), startSimulated()];
  try {
    const options = await server.fleet(services, sidecars + 400);
    return await work({ server, fleet, others, options, sidecars });
  } finally {
    process.kill(others.pid, 'SIGCONT');
    await Promise.all([fleet.stop(), others.stop(), server.stop()]);
  }
};

export const coldStart = async ({ server, fleet, options, sidecars }: Scene): Promise<Measured> => {
  await server.loopDelay();
  const { cpu, value } = await withCpu(server.pid, () => fleet.open(options, 0, sidecars));
  // What came after it was ready, new addresses of others, is a part of the storm.
  const { bytes } = await fleet.collect(sidecars);
  const seconds = times(value.startedAt, value.readyAt);
  return { ...cost(cpu, sidecars, { bytes }), seconds, loopDelay: await server.loopDelay() };
};

/** From `act`, which gives the moment of its start, to the last ACK of `expected` sidecars. */
const change = async ({ server, fleet }: Scene, expected: number, act: () => Promise<number>): Promise<Measured> => {
  await fleet.watch();
  await server.loopDelay();
  const { cpu, value } = await withCpu(server.pid, async () => {
    const from = await act();
    return { from, seen: await fleet.collect(expected) };
  });
  const { from, seen } = value;
  const concerned = seen.ackedAt.length;
  return { ...cost(cpu, concerned, seen), seconds: times(from, seen.ackedAt), loopDelay: await server.loopDelay() };
};

export const saveOf = (scene: Scene, expected: number, edit: Edit, mesh = SERVICES): Promise<Measured> =>
  change(scene, expected, () => scene.server.save(meshText(mesh, edit)));

/** One more instance of a service that five others call; its own start is part of the cost. */
export const endpointOf = (scene: Scene, expected: number, newcomer: number): Promise<Measured> =>
  change(scene, expected, async () => (await scene.others.open(scene.options, newcomer, newcomer + 1)).startedAt);

const slowReaders = async (scene: Scene, edit: Edit): Promise<Measured> => {
  const { options, sidecars, others, server } = scene;
  await others.open(options, sidecars, sidecars + Math.ceil(sidecars / SLOW));
  await settledCpu(server.pid);
  process.kill(others.pid, 'SIGSTOP');
  const measured = await saveOf(scene, sidecars, edit);
  process.kill(others.pid, 'SIGCONT');
  return measured;
};

const reconnect = async ({ server, fleet, sidecars }: Scene): Promise<Storm['reconnect']> => {
  await server.loopDelay();
  const streams = await server.metric('signet_xds_streams');
  let at = 0;
  const { cpu } = await withCpu(server.pid, async () => {
    const from = Date.now();
    await fleet.comeBack();
    while ((await server.metric('signet_xds_streams')) !== streams) await sleep(100);
    at = (Date.now() - from) / 1000;
  });
  const seen = await fleet.collect(0);
  return { ...cost(cpu, sidecars, seen), seconds: round(at, 3), loopDelay: await server.loopDelay() };
};

/** The memory of a process at rest, MiB: what only starting and loading took is given back. */
export const restingRss = async (pid: number): Promise<number> => {
  await sleep(6_000);
  await settledCpu(pid);
  return rssMiB(pid);
};

/** A cold start, changes, a reconnect and slow readers with `sidecars` simulated sidecars of 200 services. */
export const measureStorm = (sidecars: number): Promise<Storm> =>
  withScene(sidecars, SERVICES, async (scene) => {
    const idle = await restingRss(scene.server.pid);
    const cold = await coldStart(scene);
    const connected = rssMiB(scene.server.pid);
    // The callers of a service in the middle; with 100 sidecars only half of the services have one.
    const callers = 5 * Math.max(1, Math.floor(sidecars / SERVICES));
    const newcomer = sidecars + SERVICES + ((50 - (sidecars % SERVICES) + SERVICES) % SERVICES);
    const endpointChange = await endpointOf(scene, callers, newcomer);
    const policyChange = await saveOf(scene, sidecars, { denied: 'second' });
    const fullChange = await saveOf(scene, sidecars, { denied: 'second', port: 8090, word: 'full', changed: SERVICES });
    const afterwards = rssMiB(scene.server.pid);
    const back = await reconnect(scene);
    const slow = await slowReaders(scene, { denied: 'third', port: 8090, word: 'full', changed: SERVICES });
    return {
      ...{ sidecars, coldStart: cold, endpointChange, policyChange, fullChange, reconnect: back, slowReaders: slow },
      rssMiB: { idle: round(idle, 0), connected: round(connected, 0), afterwards: round(afterwards, 0) },
      rssKiBPerSidecar: round(((connected - idle) * 1024) / sidecars, 0),
    };
  });

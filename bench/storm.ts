import { setTimeout as sleep } from 'node:timers/promises';
import { startBenchServer } from './controlPlane.ts';
import { type Edit, meshText } from './meshFile.ts';
import { cpuSeconds, type FleetProcess, rssMiB, startFleet } from './processes.ts';

/** Seconds; CPU is that of the server. */
export type Span = {
  readonly seconds: number;
  readonly p50Seconds: number;
  readonly cpuSeconds: number;
  readonly cpuMsPerSidecar: number;
};

export type Storm = {
  readonly sidecars: number;
  readonly services: number;
  /** All sidecars connect at once, until the last has everything. */
  readonly coldStart: Span;
  /** From the save of one service's rule until its last sidecar has the new routes. */
  readonly oneServiceChange: Span & { readonly sidecars: number };
  /** From the save of a rule of the whole namespace until every sidecar has the new routes. */
  readonly allServicesChange: Span;
  readonly serverRssMiB: { readonly idle: number; readonly connected: number; readonly afterChanges: number };
  readonly serverRssKiBPerSidecar: number;
};

const round = (value: number, digits = 3): number => Number(value.toFixed(digits));

const span = (startedAt: number, endedAt: readonly number[], cpu: number): Span => {
  const sorted = endedAt.map((at) => (at - startedAt) / 1000).sort((a, b) => a - b);
  return {
    seconds: round(sorted.at(-1) ?? 0),
    p50Seconds: round(sorted[Math.floor(sorted.length / 2)] ?? 0),
    cpuSeconds: round(cpu, 2),
    cpuMsPerSidecar: round((cpu * 1000) / sorted.length, 2),
  };
};

/** CPU of the server until it is quiet: 300 ms without a tick of work, at most 10 s. */
const settledCpu = async (pid: number): Promise<number> => {
  let last = cpuSeconds(pid);
  for (let tries = 0; tries < 33; tries++) {
    await sleep(300);
    const now = cpuSeconds(pid);
    if (now - last <= 0.01) return now;
    last = now;
  }
  return last;
};

const WITHIN = 60_000;

const change = async (
  fleet: FleetProcess,
  server: Awaited<ReturnType<typeof startBenchServer>>,
  services: number,
  edit: Edit,
  expected: number,
): Promise<Span> => {
  const before = await settledCpu(server.pid);
  fleet.send({ kind: 'expectRoutes', expected });
  await fleet.report();
  const savedAt = await server.save(meshText(services, edit));
  const report = await Promise.race([
    fleet.report(),
    sleep(WITHIN, undefined, { ref: false }).then(() => {
      throw new Error(`a policy change did not reach ${expected} sidecars within ${WITHIN / 1000} s`);
    }),
  ]);
  if (report.kind !== 'routes') throw new Error(`unexpected report ${report.kind}`);
  return span(savedAt, report.at, (await settledCpu(server.pid)) - before);
};

/** A cold start and two policy changes with `sidecars` simulated sidecars of `services` services. */
export const measureStorm = async (sidecars: number, services: number): Promise<Storm> => {
  const server = await startBenchServer(meshText(services));
  const fleet = startFleet();
  try {
    const options = await server.fleet(services, sidecars);
    const before = await settledCpu(server.pid);
    const idle = rssMiB(server.pid);
    fleet.send({ kind: 'connect', fleet: options });
    const connected = await fleet.report();
    if (connected.kind !== 'connected') throw new Error(`unexpected report ${connected.kind}`);
    const coldStart = span(connected.startedAt, connected.readyAt, (await settledCpu(server.pid)) - before);
    const rss = rssMiB(server.pid);
    const ofOne = Math.ceil(sidecars / services);
    const oneServiceChange = await change(fleet, server, services, { one: 'first' }, ofOne);
    const allServicesChange = await change(fleet, server, services, { one: 'first', all: 'second' }, sidecars);
    return {
      sidecars,
      services,
      coldStart,
      oneServiceChange: { ...oneServiceChange, sidecars: ofOne },
      allServicesChange,
      serverRssMiB: { idle: round(idle, 0), connected: round(rss, 0), afterChanges: round(rssMiB(server.pid), 0) },
      serverRssKiBPerSidecar: round(((rss - idle) * 1024) / sidecars, 0),
    };
  } finally {
    await Promise.all([fleet.stop(), server.stop()]);
  }
};

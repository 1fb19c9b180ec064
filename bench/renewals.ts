import { setTimeout as sleep } from 'node:timers/promises';
import { TYPE } from '../src/xds/resource.ts';
import { round, settledCpu, type Times, times } from './measure.ts';
import { type Edit, meshText } from './meshFile.ts';
import { cpuSeconds } from './processes.ts';
import { coldStart, type Scene, SERVICES, withScene } from './storm.ts';

/** One policy change for everybody and one endpoint for its callers at once, until the last ACK of each, seconds; `loopDelay` is the longest of the server's event loop meanwhile, ms. */
type Pushes = { readonly policy: Times; readonly endpoint: Times; readonly loopDelay: number };

/** Every certificate due in the same moment, and what is pushed beside that. */
export type RenewalStorm = {
  readonly sidecars: number;
  /** Until each sidecar ACKed its new certificate, seconds. */
  readonly renewed: Times;
  readonly cpuSeconds: number;
  readonly pushes: Pushes;
  /** The same pushes without a storm. */
  readonly quiet: Pushes;
};

/** Certificates live so long that a cold start, the quiet pushes and a stop fit between their issue and their end. */
const TTL_SECONDS = 80;
const QUIET_STOP = 10_000;
/** Renewal is due at 60 % of a life at the latest. */
const ALL_DUE = TTL_SECONDS * 0.61 * 1000;

const edit = (denied: string): Edit => ({ denied, ttl: `${TTL_SECONDS}s` });

const pushBoth = async (scene: Scene, denied: string, newcomer: number): Promise<Pushes> => {
  const { server, fleet, others, options } = scene;
  await server.loopDelay(); // what was measured before
  const [saved, opened] = await Promise.all([
    server.save(meshText(SERVICES, edit(denied))),
    others.open(options, newcomer, newcomer + 1),
  ]);
  const { byType } = await fleet.collect(scene.sidecars, 1_500);
  const of = (type: string): readonly number[] => byType.get(type) ?? [];
  const [policy, endpoint] = [times(saved, of(TYPE.rds)), times(opened.startedAt, of(TYPE.eds))];
  return { policy, endpoint, loopDelay: await server.loopDelay() };
};

const stopped = async ({ server, fleet }: Scene, span: number): Promise<void> => {
  process.kill(server.pid, 'SIGSTOP');
  try {
    await sleep(Math.max(0, span));
    await fleet.watch();
  } finally {
    process.kill(server.pid, 'SIGCONT');
  }
};

/**
 * The server is stopped until every certificate is due, as in a sleep, and goes on: that is the storm, for by themselves renewals are spread
 * over a tenth of a life. One endpoint and one policy change come in the same moment.
 */
export const measureRenewals = (sidecars: number): Promise<RenewalStorm> =>
  withScene(
    sidecars,
    SERVICES,
    async (scene) => {
      const { server, fleet } = scene;
      await coldStart(scene);
      const lastIssued = Date.now();
      await settledCpu(server.pid);
      // A process that goes on after a stop is slow by itself: what is compared begins alike.
      await stopped(scene, QUIET_STOP);
      const quiet = await pushBoth(scene, 'quiet', sidecars + SERVICES + 50);
      await settledCpu(server.pid);
      await stopped(scene, lastIssued + ALL_DUE - Date.now());
      const [from, cpu] = [Date.now(), cpuSeconds(server.pid)];
      const pushes = await pushBoth(scene, 'storm', sidecars + SERVICES + 51);
      const { byType } = await fleet.collect(0, 0);
      const renewed = times(from, byType.get(TYPE.sds) ?? []);
      return { sidecars, renewed, cpuSeconds: round(cpuSeconds(server.pid) - cpu, 3), pushes, quiet };
    },
    SERVICES,
    edit('start'),
  );

import { setTimeout as sleep } from 'node:timers/promises';
import { TYPE } from '../src/xds/resource.ts';
import { round, settledCpu, type Times, times } from './measure.ts';
import { meshText } from './meshFile.ts';
import { cpuSeconds } from './processes.ts';
import { coldStart, type Scene, SERVICES, withScene } from './storm.ts';

/** One policy change for everybody and one endpoint for its callers at once, until the last ACK of each, seconds; `loopDelay` is the longest of the server's event loop meanwhile, ms. */
type Pushes = {
  readonly policy: Times;
  readonly endpoint: Times;
  /** Sidecars whose certificate was due when they came. */
  readonly due: number;
  readonly loopDelay: number;
};

/** Every certificate due in the same moment, and what is pushed beside that. */
export type RenewalStorm = {
  readonly sidecars: number;
  /** From the save that made all due until each sidecar ACKed its new certificate, seconds. */
  readonly renewed: Times;
  /** Of one storm, its pushes included. */
  readonly cpuSeconds: number;
  /** Of the round with the median p99 of the policy. */
  readonly pushes: Pushes;
  /** The same without a storm. */
  readonly quiet: Pushes;
  readonly policyP99: { readonly pushes: readonly number[]; readonly quiet: readonly number[] };
};

/** Each pair follows the one before: a life cut by less than half makes no certificate due, one cut by more makes due all of them. */
const LIVES = [
  ['23h', '10h'],
  ['9h', '4h'],
  ['3h', '1h'],
  ['50m', '20m'],
] as const;
/** After the save that cuts the life: by then renewals are under way, and far from done. */
const UNDER_WAY = 1_500;

type Round = { readonly pushes: Pushes; readonly renewed: Times; readonly cpuSeconds: number };

const measureRound = async (scene: Scene, index: number, ttl: string): Promise<Round> => {
  const { server, fleet, others, options, sidecars } = scene;
  await settledCpu(server.pid);
  await fleet.watch();
  await server.loopDelay(); // what was measured before
  const cpu = cpuSeconds(server.pid);
  const cut = await server.save(meshText(SERVICES, { denied: `round${index}`, ttl }));
  await sleep(UNDER_WAY);
  // The next service in the middle each time, with as many callers.
  const newcomer = sidecars + SERVICES + 50 + index;
  const [saved, opened] = await Promise.all([
    server.save(meshText(SERVICES, { denied: `round${index + 1}`, ttl })),
    others.open(options, newcomer, newcomer + 1),
  ]);
  const { byType } = await fleet.collect(sidecars, 1_500);
  const of = (type: string): readonly number[] => byType.get(type) ?? [];
  const due = of(TYPE.sds).filter((at) => at > saved).length;
  const [policy, endpoint] = [times(saved, of(TYPE.rds)), times(opened.startedAt, of(TYPE.eds))];
  const pushes = { policy, endpoint, due, loopDelay: await server.loopDelay() };
  return { pushes, renewed: times(cut, of(TYPE.sds)), cpuSeconds: round(cpuSeconds(server.pid) - cpu, 3) };
};

const byP99 = (a: Round, b: Round): number => a.pushes.policy.p99 - b.pushes.policy.p99;

/**
 * A save that cuts the life of certificates to less than half makes all of them due at once, by themselves renewals are spread over a tenth of
 * a life. One policy change for everybody and one endpoint follow while they are renewed; and in turn without that, after a save that does as much
 * and makes no certificate due. (A server that is stopped until all are due has other things to catch up on, such as 1,000 keepalives.)
 */
export const measureRenewals = (sidecars: number): Promise<RenewalStorm> =>
  withScene(
    sidecars,
    SERVICES,
    async (scene) => {
      await coldStart(scene);
      const [quiet, storms]: [Round[], Round[]] = [[], []];
      for (const [index, [little, much]] of LIVES.entries()) {
        quiet.push(await measureRound(scene, 2 * index, little));
        storms.push(await measureRound(scene, 2 * index + 1, much));
      }
      for (const rounds of [quiet, storms]) rounds.sort(byP99);
      const [still, storm] = [quiet, storms].map((rounds) => rounds[(rounds.length - 1) >> 1]);
      if (still === undefined || storm === undefined) throw new Error('no round was measured');
      const p99 = (rounds: readonly Round[]): readonly number[] => rounds.map(({ pushes }) => pushes.policy.p99);
      const policyP99 = { pushes: p99(storms), quiet: p99(quiet) };
      return { sidecars, ...storm, quiet: still.pushes, policyP99 };
    },
    SERVICES,
    { denied: 'round0' },
  );

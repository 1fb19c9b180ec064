import { linesOfBareServer, withLimit } from './limit.ts';
import { ratios, type Spread, spread } from './measure.ts';
import type { Recorded } from './messages.ts';
import { coldStart, restingRss, SERVICES, saveOf, withScene } from './storm.ts';

/**
 * Each as soon as its fresh process listens: one that has rested for seconds pays for memory that the machine took back meanwhile. The one and the
 * other in turns, as the speed of a virtual machine changes from minute to minute.
 */
const PAIRS = 5;

/** `ratios` are of neighbours. */
export type ColdStarts = {
  readonly sidecars: number;
  readonly pairs: number;
  readonly linesOfBareServer: number;
  readonly cpuSeconds: { readonly signet: Spread; readonly bare: Spread; readonly ratios: Spread };
  readonly rssMiB: { readonly signet: Spread; readonly bare: Spread; readonly ratios: Spread };
  /** From the save of a rule for everybody to the last ACK of 99 of 100. */
  readonly policyChangeSeconds: Spread;
};

const signetOnce = (sidecars: number) =>
  withScene(sidecars, SERVICES, async (scene) => {
    const { cpuSeconds } = await coldStart(scene);
    const rss = await restingRss(scene.server.pid);
    const recorded = await scene.fleet.recorded();
    const policy = await saveOf(scene, sidecars, { denied: 'second' });
    const bytes = policy.bytesPerSidecar;
    return { cpu: cpuSeconds, rss, recorded, policySeconds: policy.seconds.p99, policyBytes: bytes };
  });

/** The bare server writes what the one before it wrote. */
const bareOnce = (sidecars: number, recorded: Recorded) =>
  withLimit('bareServer', sidecars, recorded, async ({ pid, coldStart: { cpuSeconds } }) => ({
    cpu: cpuSeconds,
    rss: await restingRss(pid),
  }));

/** Cold starts of `signet serve` and of the bare server, and how many bytes a policy change takes to each sidecar. */
export const measureColdStarts = async (
  sidecars: number,
): Promise<{ readonly coldStarts: ColdStarts; readonly policyBytes: number }> => {
  const signet: Awaited<ReturnType<typeof signetOnce>>[] = [];
  const bare: Awaited<ReturnType<typeof bareOnce>>[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    const ours = await signetOnce(sidecars);
    signet.push(ours);
    bare.push(await bareOnce(sidecars, ours.recorded));
  }
  const against = (of: 'cpu' | 'rss', digits: number) => {
    const [ours, limit] = [signet.map((one) => one[of]), bare.map((one) => one[of])];
    return { signet: spread(ours, digits), bare: spread(limit, digits), ratios: ratios(ours, limit) };
  };
  const coldStarts: ColdStarts = {
    ...{ sidecars, pairs: PAIRS, linesOfBareServer: linesOfBareServer() },
    ...{ cpuSeconds: against('cpu', 2), rssMiB: against('rss', 0) },
    policyChangeSeconds: spread(signet.map(({ policySeconds }) => policySeconds)),
  };
  return { coldStarts, policyBytes: signet[0]?.policyBytes ?? 0 };
};

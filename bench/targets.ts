import type { benchIssue, benchRenewals } from './ca.ts';
import type { ColdStarts } from './coldStarts.ts';
import type { MeshPoint, Point } from './curve.ts';
import type { FanOuts } from './fanOuts.ts';
import type { Load } from './load.ts';
import { ratio, round, type Spread } from './measure.ts';
import type { RenewalStorm } from './renewals.ts';
import type { Storm } from './storm.ts';

export type Figures = {
  storms?: readonly Storm[];
  limit?: { readonly coldStarts: ColdStarts; readonly fanOuts: FanOuts };
  curve?: { readonly byConcerned: readonly Point[]; readonly byMesh: readonly MeshPoint[] };
  certificates?: ReturnType<typeof benchIssue>;
  renewals?: Awaited<ReturnType<typeof benchRenewals>>;
  renewalStorm?: RenewalStorm;
  loadMesh?: readonly Load[];
};

export type Target = {
  readonly name: string;
  readonly target: string;
  readonly measured: number;
  /** Of several measurements, of which `measured` is the median. */
  readonly min?: number;
  readonly max?: number;
  readonly met: boolean;
};

const atMost = (name: string, most: number, measured: number): Target => ({
  name,
  target: `<= ${most}`,
  measured,
  met: measured <= most,
});

const spreadAtMost = (name: string, most: number, { median, min, max }: Spread): Target => ({
  ...{ name, target: `<= ${most}`, measured: median, min, max, met: median <= most },
});

const growth = (points: readonly Point[]): number => ratio(points.at(-1)?.cpuMs ?? 0, points[0]?.cpuMs ?? 0);

const toTheLimit = ({ coldStarts, fanOuts: { large, small, megabyte } }: NonNullable<Figures['limit']>) => [
  spreadAtMost('cold-start storm of 1,000, server CPU, to the bare server', 2, coldStarts.cpuSeconds.ratios),
  spreadAtMost('RSS at 1,000 streams, to the bare server', 1.5, coldStarts.rssMiB.ratios),
  spreadAtMost('fan-out of 50 KB, CPU per stream, to the bare server', 1.5, large.ratios),
  spreadAtMost("fan-out of a policy change's bytes, CPU per stream, to the bare server", 1.5, small.ratios),
  atMost('peak memory of a 1 MB push to 1,000 streams, MiB', 400, megabyte.peakMiB),
  spreadAtMost('policy change acked by 1,000, p99 seconds', 1, coldStarts.policyChangeSeconds),
];

/** What is to be reached, as far as its figures were measured. */
export const targets = ({ storms = [], limit, curve, renewalStorm }: Figures): readonly Target[] => {
  const all: Target[] = limit === undefined ? [] : toTheLimit(limit);
  for (const { sidecars, reconnect, coldStart } of storms) {
    const part = round((100 * reconnect.bytesPerSidecar) / coldStart.bytesPerSidecar);
    all.push(atMost(`bytes of ${sidecars} reconnects, percent of the cold start's`, 1, part));
  }
  if (curve !== undefined) {
    const [files, endpoints] = [curve.byMesh.map(({ file }) => file), curve.byMesh.map(({ endpoint }) => endpoint)];
    all.push(
      atMost('an endpoint change in a mesh 16 times as large, CPU ratio', 1.5, growth(endpoints)),
      atMost('a save of one rule in a file 16 times as large, CPU ratio', 1.5, growth(files)),
    );
  }
  if (renewalStorm !== undefined) {
    const { pushes, quiet } = renewalStorm;
    all.push(
      atMost(
        'a policy change beside 1,000 renewals, p99, to one without them',
        1.2,
        ratio(pushes.policy.p99, quiet.policy.p99),
      ),
    );
  }
  return all;
};

import { mean, median, round } from './measure.ts';
import type { Edit } from './meshFile.ts';
import { coldStart, endpointOf, type Measured, SERVICES, saveOf, withScene } from './storm.ts';

/** What one change costs: the mean CPU of several, as a tick of the kernel's accounting is 10 ms, and their median time. */
export type Point = {
  readonly services: number;
  readonly concerned: number;
  readonly cpuMs: number;
  readonly p99Seconds: number;
};

const ROUNDS = 8;

const pointOf = async (services: number, measure: (round: number) => Promise<Measured>): Promise<Point> => {
  const rounds: Measured[] = [];
  for (let index = 0; index < ROUNDS; index++) rounds.push(await measure(index));
  return {
    services,
    concerned: rounds[0]?.sidecars ?? 0,
    cpuMs: round(mean(rounds.map(({ cpuSeconds }) => cpuSeconds)) * 1000, 0),
    p99Seconds: median(rounds.map(({ seconds }) => seconds.p99)),
  };
};

/** One mesh of 200 services and 1,000 sidecars: rules of more and more services change in one save. */
export const byConcerned = (): Promise<readonly Point[]> =>
  withScene(1_000, SERVICES, async (scene) => {
    await coldStart(scene);
    const points: Point[] = [];
    for (const changed of [1, 20, 100, 200]) {
      const edit = (index: number): Edit => ({ changed, word: `r${changed}x${index}` });
      points.push(await pointOf(SERVICES, (index) => saveOf(scene, changed * 5, edit(index))));
    }
    return points;
  });

export type MeshPoint = { readonly file: Point; readonly endpoint: Point };

/** Meshes that grow, with always the same 100 sidecars of 20 services: the rule of one service, and an instance of one, change. */
export const byMesh = async (): Promise<readonly MeshPoint[]> => {
  const points: MeshPoint[] = [];
  for (const services of [50, 200, 800]) {
    const point = await withScene(
      100,
      20,
      async (scene) => {
        await coldStart(scene);
        const edit = (index: number): Edit => ({ changed: 1, word: `r${index}` });
        const file = await pointOf(services, (index) => saveOf(scene, 5, edit(index), services));
        // Newcomers of the service s10, which s5 to s9 call.
        const endpoint = await pointOf(services, (index) => endpointOf(scene, 25, 110 + 20 * index));
        return { file, endpoint };
      },
      services,
    );
    points.push(point);
  }
  return points;
};

// `npm run bench:loop`: for how long the event loop of a `signet serve` with 1,000 services and 1,000 sidecars stands still, as
// JSON. Takes about two minutes; nothing outlives it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BenchServer, startBenchServer } from './controlPlane.ts';
import { meshText } from './meshFile.ts';
import { type FleetProcess, startFleet } from './processes.ts';

const SERVICES = 1_000;
/** Sidecars that stay, each of a service of its own; those that leave are second instances. */
const STAY = 700;
const ALL = 1_000;
/** Until what something started is surely over. */
const SETTLED = 4_000;

/** Milliseconds without a turn of the event loop; `busy` is what the server itself computed meanwhile. */
type Stall = { readonly at: number; readonly gap: number; readonly busy: number };

const folder = await mkdtemp(join(tmpdir(), 'signet-loop-'));
const stallsFile = join(folder, 'stalls');
const fleets: FleetProcess[] = [];

const phase = async (name: string, work: () => Promise<unknown>): Promise<object> => {
  const from = Date.now();
  await work();
  const lines = (await readFile(stallsFile, 'utf8')).split('\n').filter((line) => line !== '');
  const stalls = lines.map((line) => JSON.parse(line) as Stall).filter(({ at }) => at >= from);
  const most = (pick: (stall: Stall) => number): number => Math.round(Math.max(0, ...stalls.map(pick)));
  const over = (limit: number): number => stalls.filter(({ busy }) => busy > limit).length;
  const [longest, longestBusy] = [most(({ gap }) => gap), most(({ busy }) => busy)];
  const result = { phase: name, longest, longestBusy, over20: over(20), over50: over(50) };
  console.error(JSON.stringify(result));
  return result;
};

const measure = async (server: BenchServer): Promise<readonly object[]> => {
  const options = await server.fleet(STAY, ALL);
  const connect = async (from: number, to: number): Promise<void> => {
    const fleet = startFleet();
    fleets.push(fleet);
    fleet.send({ kind: 'connect', fleet: { ...options, sidecars: options.sidecars.slice(from, to) } });
    await fleet.report();
    await sleep(SETTLED);
  };
  const save = async (edit: Parameters<typeof meshText>[1], spoil = (text: string): string => text): Promise<void> => {
    await server.save(spoil(meshText(SERVICES, edit)));
    await sleep(SETTLED);
  };
  const thrice = async (path: string): Promise<void> => {
    for (let times = 0; times < 3; times++) await server.get(path);
  };
  return [
    await phase(`${STAY} join at once`, () => connect(0, STAY)),
    await phase(`${ALL - STAY} more join at once`, () => connect(STAY, ALL)),
    await phase('nothing happens', () => sleep(SETTLED)),
    await phase('metrics, 3 times', () => thrice('/metrics')),
    await phase('status, 3 times', () => thrice('/api/v1/status')),
    await phase('a save that changes one service', () => save({ one: 'first' })),
    await phase('a save that changes all', () => save({ one: 'first', all: 'second' })),
    await phase('a save with 1,000 errors', () => save({}, (text) => text.replaceAll('GET /health', 'GET health'))),
    await phase(`${ALL - STAY} leave at once and are withdrawn`, async () => {
      await fleets.at(-1)?.stop();
      await sleep(2 * SETTLED);
    }),
  ];
};

await writeFile(stallsFile, '');
const watch = `--import ${new URL('watchLoop.mjs', import.meta.url)}`;
const server = await startBenchServer(meshText(SERVICES), { NODE_OPTIONS: watch, STALLS_FILE: stallsFile });
try {
  console.log(JSON.stringify(await measure(server), undefined, 2));
} finally {
  await Promise.all([...fleets.map((fleet) => fleet.stop()), server.stop()]);
  await rm(folder, { recursive: true, force: true });
}

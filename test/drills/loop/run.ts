// `npm run drill:loop`: for how long the event loop of a `signet serve` with 1,000 services and 1,000 sidecars stands still, as JSON
// on stdout. Takes about a minute; nothing outlives it.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { START_GRACE } from '../../../src/control/departures.ts';
import { startWatched, TRUST_DOMAIN, type WatchedServer } from './server.ts';

const SERVICES = 1_000;
/** Sidecars that stay, each of a service of its own; those that leave are second instances. */
const STAY = 700;
const ALL = 1_000;
/** Until what something started is surely over. */
const SETTLED = 4_000;

/** Each service calls the next five and is called by the five before it. */
const meshText = ({ one = 'start', all = 'start' } = {}): string => {
  const name = (index: number): string => `s${(index + SERVICES) % SERVICES}`;
  const entry = (index: number): readonly string[] => [
    `  ${name(index)}:`,
    '    ports: [8080:3000/http]',
    `    uses: [${[1, 2, 3, 4, 5].map((step) => name(index + step)).join(', ')}]`,
    '    allow:',
    `      - from: [${[1, 2, 3].map((step) => name(index - step)).join(', ')}]`,
    `        to: [GET /items/*, POST /items, GET /${index === 0 ? one : 'start'}, GET /${all}]`,
    `      - from: [${[4, 5].map((step) => name(index - step)).join(', ')}]`,
    '        to: GET /health',
  ];
  const services = Array.from({ length: SERVICES }, (_, index) => entry(index)).flat();
  return [`mesh: { trustDomain: ${TRUST_DOMAIN} }`, 'services:', ...services, ''].join('\n');
};

type Figures = {
  readonly longest: number;
  readonly longestBusy: number;
  readonly over20: number;
  readonly over50: number;
};

const children: ChildProcess[] = [];

const connect = async (order: object): Promise<ChildProcess> => {
  const script = fileURLToPath(new URL('sidecars.ts', import.meta.url));
  const child = fork(script, { execArgv: ['--import', 'tsx'] });
  children.push(child);
  child.send(order);
  const over = once(child, 'exit').then(() => Promise.reject(new Error('the simulated sidecars ended')));
  over.catch(() => {});
  await Promise.race([once(child, 'message'), over]);
  await sleep(SETTLED);
  return child;
};

const measure = async (server: WatchedServer): Promise<Readonly<Record<string, Figures>>> => {
  const figures: Record<string, Figures> = {};
  const phase = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const from = Date.now();
    await work();
    const stalls = (await server.stalls()).filter(({ at }) => at >= from);
    const most = (values: readonly number[]): number => Math.round(Math.max(0, ...values));
    const [gaps, busy] = [stalls.map(({ gap }) => gap), stalls.map((stall) => stall.busy)];
    const over = (limit: number): number => busy.filter((one) => one > limit).length;
    figures[name] = { longest: most(gaps), longestBusy: most(busy), over20: over(20), over50: over(50) };
    console.error(name, JSON.stringify(figures[name]));
  };
  const save = async (text: string): Promise<void> => {
    await server.save(text);
    await sleep(SETTLED);
  };
  const thrice = async (path: string): Promise<void> => {
    for (let times = 0; times < 3; times++) await server.get(path);
  };
  const begun = Date.now();
  const order = await server.sidecars(STAY, ALL);
  const part = (from: number, to: number): object => ({ ...order, sidecars: order.sidecars.slice(from, to) });
  await phase(`${STAY} join at once`, () => connect(part(0, STAY)));
  await phase(`${ALL - STAY} more join at once`, () => connect(part(STAY, ALL)));
  await phase('nothing happens', () => sleep(SETTLED));
  await phase('metrics, 3 times', () => thrice('/metrics'));
  await phase('status, 3 times', () => thrice('/api/v1/status'));
  await phase('a save that changes one service', () => save(meshText({ one: 'first' })));
  await phase('a save that changes all', () => save(meshText({ one: 'first', all: 'second' })));
  await phase('a save with 1,000 errors', () => save(meshText().replaceAll('GET /health', 'GET health')));
  await sleep(begun + START_GRACE - Date.now());
  await phase(`${ALL - STAY} leave at once and are withdrawn`, async () => {
    children.at(-1)?.kill();
    await sleep(2 * SETTLED);
  });
  return figures;
};

const folder = await mkdtemp(join(tmpdir(), 'signet-loop-'));
const server = await startWatched(folder, meshText());
try {
  console.log(JSON.stringify(await measure(server), undefined, 2));
} finally {
  for (const child of children) child.kill();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

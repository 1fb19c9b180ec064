// `npm run bench:loop`: how long the event loop of a control plane with 1,000 services and 1,000 sidecars stands still, as JSON.
// The control plane runs in this process, the simulated sidecars in others. Takes about a minute; nothing outlives it.
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pino from 'pino';
import { compose } from '../src/app/compose.ts';
import { meshText, TRUST_DOMAIN } from './meshFile.ts';
import type { FleetOptions } from './messages.ts';
import { type FleetProcess, startFleet } from './processes.ts';
import { watchLoop } from './watchLoop.ts';

const SERVICES = 1_000;
const STAY = 700;
const LEAVE = 300;

const host = '127.0.0.1';
const folder = await mkdtemp(join(tmpdir(), 'signet-loop-'));
const [file, data] = [join(folder, 'mesh.yaml'), join(folder, 'data')];

const save = async (text: string): Promise<void> => {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
};

await writeFile(file, meshText(SERVICES));
const listen = { host, port: 0 };
const log = pino({ level: 'info' }, pino.destination(join(folder, 'serve.log')));
const running = await compose({ config: file, data, xds: listen, admin: listen, env: {}, log });
const fleets: FleetProcess[] = [];

const ask = async <T>(path: string, body?: object): Promise<T> => {
  const authorization = `Bearer ${(await readFile(join(data, 'admin.token'), 'utf8')).trim()}`;
  const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
  const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
  const answer = await fetch(`http://${host}:${running.admin.port}${path}`, init);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  const text = await answer.text();
  return (text.startsWith('{') ? JSON.parse(text) : text) as T;
};

/** Simulated sidecars `from` up to `to`, the first instances of the services with these numbers. */
const fleetOf = async (anchorPem: string, tokens: readonly string[], name: string): Promise<FleetOptions> => ({
  address: { host, port: running.xds.port },
  anchorPem,
  serverId: `spiffe://${TRUST_DOMAIN}/signet/control-plane`,
  trustDomain: TRUST_DOMAIN,
  sidecars: tokens.map((token, index) => ({
    nodeId: `bench/s${index}/${name}`,
    token,
    address: `127.${name === 'stay' ? 9 : 10}.${Math.floor(index / 250)}.${(index % 250) + 1}`,
  })),
});

const connect = async (options: FleetOptions): Promise<FleetProcess> => {
  const fleet = startFleet();
  fleets.push(fleet);
  fleet.send({ kind: 'connect', fleet: options });
  await fleet.report();
  return fleet;
};

const anchorOf = async (): Promise<string> => {
  const issued = await ask<{ readonly bootstrap: object }>('/api/v1/bootstraps', { service: 'bench/s0' });
  const anchor = /"trusted_ca":\{"inline_string":("(?:[^"\\]|\\.)*")/.exec(JSON.stringify(issued.bootstrap))?.[1];
  if (anchor === undefined) throw new Error('the bootstrap holds no anchor');
  return JSON.parse(anchor) as string;
};

const measure = async (): Promise<object> => {
  const loop = watchLoop();
  const anchor = await anchorOf();
  const tokens: string[] = [];
  for (let index = 0; index < STAY; index++) {
    tokens.push((await ask<{ token: string }>('/api/v1/tokens', { service: `bench/s${index}`, uses: 9 })).token);
  }
  const stay = await fleetOf(anchor, tokens, 'stay');
  const leave = await fleetOf(anchor, tokens.slice(0, LEAVE), 'leave');
  await loop.phase('700 join at once', () => connect(stay));
  const leaving = await loop.phase('300 more join at once', () => connect(leave));
  await sleep(3_000);
  await loop.phase('nothing', () => sleep(3_000));
  await loop.phase('metrics, 3 times', async () => {
    for (let times = 0; times < 3; times++) await ask('/metrics');
  });
  await loop.phase('status, 3 times', async () => {
    for (let times = 0; times < 3; times++) await ask('/api/v1/status');
  });
  await loop.phase('a save that changes one service', () => saved(meshText(SERVICES, { one: 'first' })));
  await loop.phase('a save that changes all', () => saved(meshText(SERVICES, { all: 'second' })));
  await loop.phase('a save with errors', () => saved(meshText(SERVICES).replaceAll('GET /health', 'GET health')));
  await loop.phase('300 leave at once and are withdrawn', async () => {
    await leaving.stop();
    await sleep(6_000);
  });
  return loop.stop();
};

const saved = async (text: string): Promise<void> => {
  await save(text);
  await sleep(4_000);
};

try {
  console.log(JSON.stringify(await measure(), undefined, 2));
} finally {
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  await running.close();
  await rm(folder, { recursive: true, force: true });
}

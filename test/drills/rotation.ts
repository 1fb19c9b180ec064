// `npm run drill:rotation [-- --seed N --seconds S]`: rotations of root and intermediate, compromised roots, aborts, pauses,
// joiners and kill -9 of Signet in any order, with real Envoys under load that shows every certificate again and again: not one
// request may fail. At the end, Envoys that were started before all of it must come back.
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/lib/errors.ts';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import { claimLoopback } from '../support/loopback.ts';
import { startMesh } from '../support/mesh.ts';
import { type RotatingMesh, rotatingMesh, rotatingMeshYaml } from '../support/rotatingMesh.ts';
import { startSidecar } from '../support/sidecar.ts';
import { newDice } from './randomness.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, seconds: { type: 'string', default: '120' } } });
const seed = Number(values.seed ?? '7');
const until = Date.now() + Number(values.seconds) * 1000;
const dice = newDice(seed);
const counts: Record<string, number> = {};
const CA = '/api/v1/ca/rotation';

/** What a rule forbids at this moment is no finding. */
const ask = async (fleet: RotatingMesh, body: object): Promise<void> => {
  try {
    await fleet.post(CA, body);
  } catch (error) {
    if (!/rotation_refused/.test(messageOf(error))) throw error;
  }
};

const EVENTS: Readonly<Record<string, readonly [weight: number, act: (fleet: RotatingMesh) => Promise<unknown>]>> = {
  root: [4, (fleet) => ask(fleet, { action: 'start', kind: 'root' })],
  intermediate: [2, (fleet) => ask(fleet, { action: 'start', kind: 'intermediate' })],
  compromise: [2, (fleet) => ask(fleet, { action: 'start', kind: 'compromise' })],
  abort: [1, (fleet) => ask(fleet, { action: 'abort' })],
  pause: [1, (fleet) => ask(fleet, { action: 'pause' })],
  resume: [2, (fleet) => ask(fleet, { action: 'resume' })],
  renew: [3, (fleet) => fleet.renewAll().catch(() => {})],
  kill: [3, (fleet) => fleet.crash()],
  wait: [6, () => new Promise((resolve) => setTimeout(resolve, 100 + dice.roll(2_500)))],
};
const CHOICES = Object.entries(EVENTS).flatMap(([name, [weight]]) => Array.from({ length: weight }, () => name));

const loopback = await claimLoopback();
const app = await httpApp('app');
const mesh = await startMesh(loopback.address(1), rotatingMeshYaml(app.port));
let failed = 1;
try {
  const services = ['prod/web', 'prod/orders', 'prod/payments'];
  const start = (service: string, at: number) => startSidecar(mesh, service, { address: loopback.address(10 + at) });
  const sidecars = await Promise.all(services.map(start));
  const fleet = rotatingMesh(mesh, sidecars);
  const way = async (at: { host: string; port: number }, host?: string): Promise<void> => {
    const { status } = await call(at, host === undefined ? {} : { host });
    if (status !== 200) throw new Error(`status ${status}`);
  };
  for (const { outbound, address } of sidecars.slice(0, 2)) {
    await eventually(() => way(outbound, 'payments'));
    await eventually(() => way({ host: address, port: 9001 }));
  }
  const load = fleet.load();
  while (Date.now() < until) {
    const name = CHOICES[dice.roll(CHOICES.length)] ?? 'wait';
    counts[name] = (counts[name] ?? 0) + 1;
    await EVENTS[name]?.[1](fleet);
  }
  await ask(fleet, { action: 'resume' });
  await fleet.until('none', 180_000);
  await fleet.crash();
  await fleet.settled();
  await fleet.renewAll();
  const { ok, failures } = await load.stop();
  failed = Object.values(failures).reduce((sum, n) => sum + n, 0);
  const did = Object.entries(counts).map(([name, n]) => `${n} ${name}`);
  console.log(`seed ${seed}: ${did.join(', ')}; ${ok} requests, ${failed} failed`);
  if (failed > 0) console.error(failures);
  // A drill that tried nothing has found nothing out.
  if (ok < 1_000) failed = 1;
} finally {
  await mesh.stop();
  await app.stop();
  await loopback.release();
}
process.exitCode = failed > 0 ? 1 : 0;

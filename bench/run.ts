// `npm run bench`: JSON on stdout, progress on stderr. Takes about two minutes; nothing outlives it.
import { cpus } from 'node:os';
import { loadMesh } from '../src/config/loadMesh.ts';
import { benchIssue, benchRenewals } from './ca.ts';
import { meshText } from './meshFile.ts';
import { measureStorm, type Storm } from './storm.ts';

const SERVICES = 50;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const ratio = (a: number, b: number): number => Number((a / b).toFixed(2));

/** Milliseconds to read, decode, check and build a mesh; the median of five, after two that warm up. */
const measureLoad = (services: number) => {
  const bytes = Buffer.from(meshText(services));
  const times = Array.from({ length: 7 }, () => {
    const from = performance.now();
    const loaded = loadMesh('mesh.yaml', bytes);
    if (!loaded.ok) throw new Error(loaded.error.map(({ message }) => message).join('\n'));
    return performance.now() - from;
  });
  return {
    services,
    kilobytes: Math.round(bytes.length / 1024),
    milliseconds: Number(median(times.slice(2)).toFixed(1)),
  };
};

const storms: Storm[] = [];
for (const sidecars of [100, 1_000]) {
  console.error(`cold start and policy changes: ${sidecars} sidecars of ${SERVICES} services`);
  storms.push(await measureStorm(sidecars, SERVICES));
}
const [small, large] = storms as [Storm, Storm];
console.error('leaves issued');
const leaves = benchIssue();
const renewals = await benchRenewals();
console.error('loadMesh');
const loads = [100, 1_000].map(measureLoad);
const [few, many] = loads as [(typeof loads)[0], (typeof loads)[0]];

const result = {
  date: new Date().toISOString().slice(0, 10),
  machine: { cores: cpus().length, model: cpus()[0]?.model.trim(), node: process.version },
  storms,
  leaves,
  renewals,
  loadMesh: loads,
  ratios: {
    coldStartCpuPerSidecar1000to100: ratio(large.coldStart.cpuMsPerSidecar, small.coldStart.cpuMsPerSidecar),
    changeCpuPerSidecar1000to100: ratio(
      large.allServicesChange.cpuMsPerSidecar,
      small.allServicesChange.cpuMsPerSidecar,
    ),
    changeToColdStartCpu: storms.map((storm) => ratio(storm.allServicesChange.cpuSeconds, storm.coldStart.cpuSeconds)),
    loadMesh1000to100: ratio(many.milliseconds, few.milliseconds),
  },
};
console.log(JSON.stringify(result, undefined, 2));

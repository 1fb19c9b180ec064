// `npm run bench [-- PART…]`: JSON on stdout, progress on stderr; nothing outlives it. All parts take about eight minutes.
// Parts: `storm N` (cold start, changes, reconnect, slow readers), `limit` (against the bare server), `curve`, `load`, `renewals`.
// `--cpu-prof` leaves profiles of the servers in .cache/bench/profiles.
import { cpus } from 'node:os';
import { benchIssue, benchRenewals } from './ca.ts';
import { measureColdStarts } from './coldStarts.ts';
import { byConcerned, byMesh } from './curve.ts';
import { measureFanOuts } from './fanOuts.ts';
import { measureLoad } from './load.ts';
import { compileServers } from './processes.ts';
import { measureRenewals } from './renewals.ts';
import { measureStorm, type Storm } from './storm.ts';
import { type Figures, targets } from './targets.ts';

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const asked = new Set(words.filter((word) => !/^\d+$/.test(word)));
const sizes = words.filter((word) => /^\d+$/.test(word)).map(Number);
const unknown = [...asked].filter((word) => !['storm', 'limit', 'curve', 'load', 'renewals'].includes(word));
if (unknown.length > 0)
  throw new Error(`no part is called ${unknown.join(' or ')}: storm N, limit, curve, load, renewals`);
const runs = (part: string): boolean => asked.size === 0 || asked.has(part);

const figures: Figures = {};
const storms: Storm[] = [];
for (const size of runs('storm') ? (sizes.length > 0 ? sizes : [100, 1_000, 2_000]) : []) {
  console.error(`storm ${size}: cold start, changes, reconnect, slow readers`);
  storms.push(await measureStorm(size));
}
figures.storms = storms;
if (runs('limit')) {
  compileServers();
  console.error('limit: cold starts of signet serve and of a bare grpc-js server, in turns');
  const { coldStarts, policyBytes } = await measureColdStarts(1_000);
  console.error('limit: fan-outs of src/xds and of the bare server, in turns');
  figures.limit = { coldStarts, fanOuts: await measureFanOuts(1_000, policyBytes) };
}
if (runs('curve')) {
  console.error('curve: the cost of a change by sidecars concerned, and by the size of the mesh');
  figures.curve = { byConcerned: await byConcerned(), byMesh: await byMesh() };
}
if (runs('load')) {
  console.error('load: certificates, mesh.yaml');
  figures.certificates = benchIssue();
  figures.renewals = await benchRenewals();
  figures.loadMesh = [200, 1_000].map(measureLoad);
}
if (runs('renewals')) {
  console.error('renewals: 1,000 certificates due at once, and pushes beside them');
  figures.renewalStorm = await measureRenewals(1_000);
}
const machine = { cores: cpus().length, model: cpus()[0]?.model.trim(), node: process.version };
const date = new Date().toISOString().slice(0, 10);
console.log(JSON.stringify({ date, machine, targets: targets(figures), ...figures }, undefined, 2));

// `npm run drill:emit [-- --seed N --seconds S]`: random meshes that `loadMesh` takes must be taken by a real Envoy, too.
// Every sidecar is planned and emitted and its names are compared; of each mesh Envoy looks at one (0.2 s each).
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { findEnvoy } from '../../src/app/findEnvoy.ts';
import { loadMesh } from '../../src/config/loadMesh.ts';
import { emitProxy } from '../../src/emit/emitProxy.ts';
import { emitSecrets } from '../../src/emit/emitSecrets.ts';
import { showJson } from '../../src/emit/showJson.ts';
import { showDiagnostic } from '../../src/lib/diagnostic.ts';
import { secret } from '../../src/lib/secret.ts';
import type { Mesh, ServiceKey } from '../../src/model/mesh.ts';
import { planProxy } from '../../src/plan/planProxy.ts';
import type { EndpointTable, ProxyPlan, ProxyRef } from '../../src/plan/proxyPlan.ts';
import { NOW } from '../support/plans.ts';
import { refusalOf, type Shown, staticBootstrap } from '../support/staticEnvoy.ts';
import { testAuthority } from '../support/testAuthority.ts';
import { randomMesh } from './randomMesh.ts';

const { values } = parseArgs({ options: { seed: { type: 'string' }, seconds: { type: 'string', default: '20' } } });
const seed = Number(values.seed ?? '7');
const until = Date.now() + Number(values.seconds) * 1000;

const REFS: readonly Omit<ProxyRef, 'service'>[] = [
  { address: undefined, outbound: { host: '127.0.0.1', port: 15_001 } },
  { address: '127.0.1.2', outbound: { host: '127.0.1.2', port: 15_001 } },
  { address: '::1', outbound: { host: '::1', port: 15_001 } },
];

const authority = testAuthority();

const endpointsOf = (mesh: Mesh): EndpointTable =>
  new Map(
    [...mesh.services.keys()].map((key, at) => [
      key,
      [
        { address: `192.0.2.${at + 1}`, ports: {}, mtls: 'sidecar' as const },
        { address: `2001:db8::${at + 1}`, ports: {}, mtls: 'sidecar' as const },
      ],
    ]),
  );

/** What of an Envoy refuses everything at once: two resources of one name, or one domain in two virtual hosts. */
const clashes = (plan: ProxyPlan): readonly string[] => {
  const names = emitProxy(plan).map(({ type, name }) => `${type} ${name}`);
  const domains = plan.outbound.routes.flatMap(({ hosts }) => hosts);
  const twice = (list: readonly string[]): readonly string[] =>
    list.filter((item, index) => list.indexOf(item) !== index);
  return [...twice(names), ...twice(domains)];
};

const plain = ({ identity, trustDomain }: ProxyPlan): Shown[string] => {
  const { chainPem, keyPem } = authority.leaf(identity);
  const svid = { id: identity, chainPem, keyPem: secret(keyPem), serial: '', notBefore: NOW, notAfter: NOW };
  const shown = showJson(
    emitSecrets(svid, { own: [{ trustDomain, authorities: [authority.anchorPem] }], foreign: [] }),
  ).secrets;
  return JSON.parse(JSON.stringify(shown).replaceAll('"[redacted]"', JSON.stringify({ inline_string: keyPem })));
};

const findings: string[] = [];
const found = (what: string, text: string): void => void findings.push(`${what}\n${text}`);
const counts = { meshes: 0, refused: 0, sidecars: 0, loaded: 0 };
const refusals = new Map<string, number>();
const envoy = findEnvoy().path;

for (const mesh of fc.sample(randomMesh, { seed, numRuns: 2_000 })) {
  if (Date.now() > until) break;
  const text = JSON.stringify(mesh, null, 1);
  const loaded = loadMesh('mesh.yaml', text, { now: NOW });
  counts.meshes += 1;
  if (!loaded.ok) {
    counts.refused += 1;
    for (const { code, ...rest } of loaded.error.filter(({ severity }) => severity === 'error').slice(0, 1)) {
      const key = `${code} ${showDiagnostic({ code, ...rest })
        .replace(/^\S+ \S+ /, '')
        .slice(0, 30)}`;
      refusals.set(key, (refusals.get(key) ?? 0) + 1);
    }
    continue;
  }
  const table = endpointsOf(loaded.value.mesh);
  const plans = [...loaded.value.mesh.services.keys()].flatMap((service: ServiceKey, at) => {
    const ref = REFS[(counts.meshes + at) % REFS.length];
    const plan = ref && planProxy(loaded.value.mesh, NOW, { service, ...ref }, table);
    return plan === undefined ? [] : [plan];
  });
  counts.sidecars += plans.length;
  for (const plan of plans) for (const clash of clashes(plan)) found(`${plan.service}: twice ${clash}`, text);
  const weight = ({ inbound, upstreams }: ProxyPlan): number => 2 * inbound.length + upstreams.length;
  const [heaviest] = [...plans].sort((a, b) => weight(b) - weight(a));
  if (heaviest === undefined) continue;
  const shown = showJson(emitProxy(heaviest)) as Shown;
  const refusal = await refusalOf(envoy, staticBootstrap(shown, plain(heaviest)));
  if (refusal === undefined) counts.loaded += 1;
  else found(`${heaviest.service}: ${refusal.slice(0, 600)}`, text);
}

for (const finding of findings.slice(0, 5)) console.error(`${finding}\n`);
if (process.env.DRILL_VERBOSE) console.error(refusals);
console.log(
  `seed ${seed}: ${counts.meshes} meshes, ${counts.refused} refused by validate, ${counts.sidecars} sidecars planned, ` +
    `${counts.loaded} loaded by Envoy, ${findings.length} findings`,
);
// A drill that tried nothing has found nothing out.
process.exitCode = findings.length > 0 || counts.loaded < 10 ? 1 : 0;

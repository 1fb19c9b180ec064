import assert from 'node:assert/strict';
import { loadMesh } from '../../src/config/loadMesh.ts';
import { emitProxy } from '../../src/emit/emitProxy.ts';
import type { Emitted } from '../../src/emit/emitted.ts';
import { showDiagnostic } from '../../src/lib/diagnostic.ts';
import type { Mesh, ServiceKey } from '../../src/model/mesh.ts';
import { planProxy } from '../../src/plan/planProxy.ts';
import type { EndpointTable, ProxyPlan } from '../../src/plan/proxyPlan.ts';

export const NOW = Date.parse('2027-01-01T00:00:00Z');

/** A mesh from its text, which must be good. */
export const meshFrom = (text: string, now = NOW): Mesh => {
  const loaded = loadMesh('mesh.yaml', text, { now });
  if (!loaded.ok) assert.fail(loaded.error.map(showDiagnostic).join('\n'));
  return loaded.value.mesh;
};

/** The plan of one sidecar that listens everywhere. */
export const planOf = (mesh: Mesh, service: ServiceKey, now = NOW, endpoints: EndpointTable = new Map()): ProxyPlan => {
  const ref = { service, address: undefined, outbound: { host: '127.0.0.1', port: 15001 } };
  const plan = planProxy(mesh, now, ref, endpoints);
  assert.ok(plan, `${service} is no service`);
  return plan;
};

/** What it is sent, by `TYPE NAME`. */
export const emittedOf = (plan: ProxyPlan): ReadonlyMap<string, Emitted> =>
  new Map(
    emitProxy(plan).map((emitted) => [
      `${emitted.type.slice(emitted.type.lastIndexOf('.') + 1)} ${emitted.name}`,
      emitted,
    ]),
  );

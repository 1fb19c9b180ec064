import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadMesh } from '../../src/config/loadMesh.ts';
import { emitProxy } from '../../src/emit/emitProxy.ts';
import { emitSecrets } from '../../src/emit/emitSecrets.ts';
import { showJson } from '../../src/emit/showJson.ts';
import { showDiagnostic } from '../../src/lib/diagnostic.ts';
import { secret } from '../../src/lib/secret.ts';
import type { Mesh, Service } from '../../src/model/mesh.ts';
import { planProxy } from '../../src/plan/planProxy.ts';
import type { EndpointTable, UpstreamKey } from '../../src/plan/proxyPlan.ts';
import type { Revoked } from '../../src/plan/revoked.ts';
import { trustBundles } from '../../src/plan/trustBundles.ts';
import type { SpiffeId } from '../../src/spiffe/spiffeId.ts';
import type { Shown } from './staticEnvoy.ts';
import { testAuthority } from './testAuthority.ts';

// The smallest mesh that shows a thing, and what its sidecars are sent.

export const root = fileURLToPath(new URL('../golden', import.meta.url));
const NOW = Date.parse('2027-01-01T00:00:00Z');
// Envoy reads the certificates; whose they are is all the same to it here.
const authority = testAuthority();

export const cases = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => basename(file) === 'mesh.yaml' && !file.startsWith('diagnostics'))
  .map(dirname)
  .sort();

export const meshOf = (folder: string): Mesh => {
  const beside = (path: string): Uint8Array => readFileSync(join(root, folder, path));
  const loaded = loadMesh('mesh.yaml', readFileSync(join(root, folder, 'mesh.yaml')), { now: NOW, beside });
  if (!loaded.ok) assert.fail(loaded.error.map(showDiagnostic).join('\n'));
  return loaded.value.mesh;
};

/** Each service with `endpoints: auto` has one sidecar, at an address of the documentation's range. */
const endpointsOf = (mesh: Mesh): EndpointTable =>
  new Map(
    [...mesh.services.keys()].map((key, index) => [
      key,
      [{ address: `192.0.2.${index + 1}`, ports: {}, mtls: 'sidecar' }],
    ]),
  );

/** `revoked.txt` beside a mesh.yaml: lines `ID DIGEST`, of certificates that end in an hour, and `cut NS/NAME:PORT`. */
export const revokedIn = (folder: string): Revoked => {
  const file = join(root, folder, 'revoked.txt');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  const words = lines.map((line) => line.split(' ') as [string, string]);
  return {
    certificates: words
      .filter(([first]) => first !== 'cut')
      .map(([id, digest]) => ({ id: id as SpiffeId, digest, notAfter: NOW + 3_600_000 })),
    cuts: new Map(words.filter(([first]) => first === 'cut').map(([, port]) => [port as UpstreamKey, NOW])),
  };
};

export const shownOf = (folder: string, mesh: Mesh, service: Service): Shown => {
  const ref = { service: service.key, address: undefined, outbound: { host: '127.0.0.1', port: 15001 } };
  const plan = planProxy(mesh, NOW, ref, endpointsOf(mesh), revokedIn(folder));
  assert.ok(plan);
  return showJson(emitProxy(plan)) as Shown;
};

export const secretsOf = (mesh: Mesh, service: Service): Shown[string] => {
  const { chainPem, keyPem } = authority.leaf(service.identity);
  const svid = { id: service.identity, chainPem, keyPem: secret(keyPem), serial: '', notBefore: NOW, notAfter: NOW };
  const secrets = emitSecrets(
    svid,
    trustBundles(mesh, { trustDomain: mesh.trustDomain, authorities: [authority.anchorPem] }),
  );
  const text = JSON.stringify(showJson(secrets).secrets);
  assert.ok(!text.includes(keyPem.slice(40, 80)), 'a private key is shown');
  return JSON.parse(text.replaceAll('"[redacted]"', JSON.stringify({ inline_string: keyPem })));
};

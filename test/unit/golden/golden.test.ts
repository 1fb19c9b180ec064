import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findEnvoy } from '../../../src/app/findEnvoy.ts';
import { loadMesh } from '../../../src/config/loadMesh.ts';
import { emitProxy } from '../../../src/emit/emitProxy.ts';
import { emitSecrets } from '../../../src/emit/emitSecrets.ts';
import { showJson } from '../../../src/emit/showJson.ts';
import { showDiagnostic } from '../../../src/lib/diagnostic.ts';
import { secret } from '../../../src/lib/secret.ts';
import type { Mesh, Service } from '../../../src/model/mesh.ts';
import { planProxy } from '../../../src/plan/planProxy.ts';
import type { EndpointTable } from '../../../src/plan/proxyPlan.ts';
import { refusalOf, type Shown, staticBootstrap } from '../../support/staticEnvoy.ts';
import { testAuthority } from '../../support/testAuthority.ts';

// The smallest mesh that shows a thing, and what its sidecars are sent. UPDATE_GOLDEN=1 writes the expectations anew and
// drops those of services that are gone.

const root = fileURLToPath(new URL('../../golden', import.meta.url));
const NOW = Date.parse('2027-01-01T00:00:00Z');
// Envoy reads the certificates; whose they are is all the same to it here.
const authority = testAuthority();
const update = process.env.UPDATE_GOLDEN === '1';

const cases = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => basename(file) === 'mesh.yaml' && !file.startsWith('diagnostics'))
  .map(dirname)
  .sort();

const meshOf = (folder: string): Mesh => {
  const loaded = loadMesh('mesh.yaml', readFileSync(join(root, folder, 'mesh.yaml')), { now: NOW });
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

const shownOf = (mesh: Mesh, service: Service): Shown => {
  const ref = { service: service.key, address: undefined, outbound: { host: '127.0.0.1', port: 15001 } };
  const plan = planProxy(mesh, NOW, ref, endpointsOf(mesh));
  assert.ok(plan);
  return showJson(emitProxy(plan)) as Shown;
};

const secretsOf = (mesh: Mesh, service: Service): Shown[string] => {
  const { chainPem, keyPem } = authority.leaf(service.identity);
  const svid = { id: service.identity, chainPem, keyPem: secret(keyPem), serial: '', notBefore: NOW, notAfter: NOW };
  const secrets = emitSecrets(svid, { trustDomain: mesh.trustDomain, authorities: [authority.anchorPem] });
  const text = JSON.stringify(showJson(secrets).secrets);
  assert.ok(!text.includes(keyPem.slice(40, 80)), 'a private key is shown');
  return JSON.parse(text.replaceAll('"[redacted]"', JSON.stringify({ inline_string: keyPem })));
};

describe('golden', () => {
  it('has cases', () => assert.ok(cases.length > 10));

  for (const folder of cases) {
    it(`${folder}: what each sidecar is sent`, () => {
      const mesh = meshOf(folder);
      const written = new Map<string, string>();
      for (const service of mesh.services.values()) {
        written.set(
          `${service.namespace}.${service.name}.json`,
          `${JSON.stringify(shownOf(mesh, service), null, 2)}\n`,
        );
      }
      const stored = readdirSync(join(root, folder)).filter((file) => file.endsWith('.json'));
      if (update) {
        for (const file of stored) rmSync(join(root, folder, file));
        for (const [file, text] of written) writeFileSync(join(root, folder, file), text);
        return;
      }
      assert.deepEqual(stored.sort(), [...written.keys()].sort());
      for (const [file, text] of written) {
        assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(join(root, folder, file), 'utf8')), file);
      }
    });

    it(`${folder}: a real Envoy loads it`, async function () {
      this.timeout(60_000);
      const mesh = meshOf(folder);
      const envoy = findEnvoy().path;
      const refused = [...mesh.services.values()].map(async (service) =>
        refusalOf(envoy, staticBootstrap(shownOf(mesh, service), secretsOf(mesh, service))),
      );
      for (const refusal of await Promise.all(refused)) assert.equal(refusal, undefined);
    });
  }

  it('a configuration that Envoy refuses is seen as such', async () => {
    const refusal = await refusalOf(findEnvoy().path, {
      static_resources: { clusters: [{ name: 'no type nor address', type: 'NONE' }] },
    });
    assert.match(refusal ?? '', /NONE|INVALID/);
  });
});

import assert from 'node:assert/strict';
import { findEnvoy } from '../../src/app/findEnvoy.ts';
import { cases, meshOf, secretsOf, shownOf } from '../support/goldens.ts';
import { refusalOf, staticBootstrap } from '../support/staticEnvoy.ts';

describe('golden', () => {
  for (const folder of cases) {
    it(`${folder}: a real Envoy loads it`, async function () {
      this.timeout(60_000);
      const mesh = meshOf(folder);
      const envoy = findEnvoy().path;
      const refused = [...mesh.services.values()].map(async (service) =>
        refusalOf(envoy, staticBootstrap(shownOf(folder, mesh, service), secretsOf(mesh, service))),
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

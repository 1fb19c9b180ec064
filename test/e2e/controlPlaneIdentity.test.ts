import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { type FakeControlPlane, fakeControlPlane } from '../support/fakeControlPlane.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Bootstrap, Sidecar } from '../support/sidecar.ts';
import { type TestAuthority, testAuthority } from '../support/testAuthority.ts';
import { anchorOf, takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const MESH = `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      debug: {}
`;

const DEBUG = 'spiffe://shop.example/ns/prod/sa/debug';
const CONTROL_PLANE = 'spiffe://shop.example/signet/control-plane';

describe('Envoy takes its configuration from Signet alone', function () {
  this.timeout(60_000);
  const world = useWorld();
  let mesh: TestMesh;
  let authority: TestAuthority;
  let nextPort = 18_100;

  before(async () => {
    mesh = await world.mesh(MESH);
    authority = testAuthority();
  });

  type Identity = { readonly chainPem: string; readonly keyPem: string };

  const pretend = async (identity: Identity): Promise<FakeControlPlane> =>
    world.own(await fakeControlPlane({ host: world.address(60), port: nextPort++ }, identity));

  const sidecarOf = (fake: FakeControlPlane, edit?: (bootstrap: Bootstrap) => Bootstrap): Promise<Sidecar> =>
    world.sidecar(mesh, 'prod/web', {
      xds: `${fake.at.host}:${fake.at.port}`,
      noWait: true,
      ...(edit === undefined ? {} : { edit }),
    });

  /** As if the anchor's key had fallen into the wrong hands: what is left is the name. */
  const trusting = (bootstrap: Bootstrap): Bootstrap =>
    JSON.parse(
      JSON.stringify(bootstrap).replace(JSON.stringify(anchorOf(bootstrap)), JSON.stringify(authority.anchorPem)),
    );

  const refused = async (fake: FakeControlPlane, sidecar: Sidecar, counter: RegExp): Promise<void> => {
    await eventually(async () => assert.ok((await sidecar.envoy.stat(counter)) > 0), 15_000);
    assert.ok(fake.connections() > 0);
    assert.deepEqual(fake.requests(), []);
    assert.equal(await sidecar.envoy.stat(/^(cluster_manager\.cds|listener_manager\.lds)\.update_success$/), 0);
    assert.equal(await sidecar.envoy.ready(), false);
  };

  it('a workload’s certificate at its place is refused, and the token never leaves', async () => {
    const fake = await pretend(await takeCertificate(mesh, 'prod/debug', DEBUG));
    await refused(fake, await sidecarOf(fake), /^cluster\.signet\.ssl\.fail_verify_(error|san)$/);
  });

  it('so is another authority that signs Signet’s name', async () => {
    const fake = await pretend(authority.leaf(CONTROL_PLANE));
    await refused(fake, await sidecarOf(fake), /^cluster\.signet\.ssl\.fail_verify_error$/);
  });

  it('so is a workload’s name, even under the right anchor', async () => {
    const fake = await pretend(authority.leaf(DEBUG));
    await refused(fake, await sidecarOf(fake, trusting), /^cluster\.signet\.ssl\.fail_verify_san$/);
  });

  it('only anchor and name together are let through, so the refusals above are no accident', async () => {
    const fake = await pretend(authority.leaf(CONTROL_PLANE));
    await sidecarOf(fake, trusting);
    await eventually(() => assert.ok(fake.requests().length > 0), 15_000);
    assert.match(fake.requests()[0] ?? '', /^Bearer signet_/);
  });
});

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import { type RotatingMesh, rotatingMesh, rotatingMeshYaml } from '../support/rotatingMesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

const STEPS = ['distribute', 'issue', 'retire'] as const;

describe('the CAs rotate under load, over kill -9', function () {
  this.timeout(300_000);
  const world = useWorld();
  let fleet: RotatingMesh;
  let load: ReturnType<RotatingMesh['load']>;

  before(async () => {
    const mesh = await world.mesh(rotatingMeshYaml(world.own(await httpApp('app')).port));
    const sidecars = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/payments');
    fleet = rotatingMesh(mesh, sidecars);
    for (const { outbound } of sidecars.slice(0, 2))
      await eventually(async () => assert.equal((await call(outbound, { host: 'payments' })).status, 200));
    await eventually(async () => assert.equal((await call({ host: sidecars[0].address, port: 9001 })).status, 200));
    load = fleet.load();
  });

  const roots = async (): Promise<number> => {
    const { stdout } = await fleet.mesh.ask('ca', 'bundle');
    return stdout.match(/BEGIN CERTIFICATE/g)?.length ?? 0;
  };

  it('20 certificates for every sidecar', async () => {
    for (let round = 0; round < 20; round += 1) await fleet.renewAll();
  });

  it('a root, with a kill -9 inside each step', async () => {
    const before = await fleet.rotation();
    await fleet.post('/api/v1/ca/rotation', { action: 'start', kind: 'root' });
    const { rotation } = await fleet.rotation();
    for (const step of STEPS) {
      await fleet.until(step);
      await fleet.crash();
    }
    const after = await fleet.until('none');
    assert.notEqual(after.active.root, before.active.root);
    assert.equal(after.active.root, rotation?.to);
    assert.equal(await roots(), 1);
  });

  it('a root that is aborted after its first certificates, with a kill -9 on the way back', async () => {
    const before = await fleet.rotation();
    await fleet.post('/api/v1/ca/rotation', { action: 'start', kind: 'root' });
    await fleet.until('issue');
    await fleet.post('/api/v1/ca/rotation', { action: 'abort', reason: 'changed my mind' });
    await fleet.crash();
    const after = await fleet.until('none');
    assert.equal(after.active.root, before.active.root);
    assert.equal(await roots(), 1);
  });

  it('a compromised root, with a kill -9 after it was tainted', async () => {
    const before = await fleet.rotation();
    await fleet.post('/api/v1/ca/rotation', { action: 'start', kind: 'compromise', reason: 'a stolen backup' });
    await fleet.until('issue');
    await fleet.crash();
    const after = await fleet.until('none');
    assert.notEqual(after.active.root, before.active.root);
    const { stdout } = await fleet.mesh.signet('ca', 'status');
    assert.match(stdout, new RegExp(`root +revoked +.*${before.active.root}`));
    assert.equal(await roots(), 1);
  });

  it('an intermediate and a third root, killed between all of it', async () => {
    for (const kind of ['intermediate', 'root']) {
      await fleet.crash();
      await fleet.post('/api/v1/ca/rotation', { action: 'start', kind });
      await fleet.until('none');
    }
  });

  it('without one failed request; and the Envoys that were started before all of it still come back', async () => {
    await fleet.crash();
    await fleet.settled();
    await fleet.renewAll();
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 2_000, `only ${ok} calls were made`);
    console.log(`      ${ok} requests, 0 failed`);
  });
});

/** Stands for the admin port of an Envoy whose secrets lag behind its ACKs: `/certs` is as it was, until it is let go. */
const laggingAdmin = async () => {
  let behind: Sidecar | undefined;
  let kept: string | undefined;
  const server = createServer(async (_, response) => {
    const { body } = await call(behind?.envoy.at ?? assert.fail(), { path: '/certs' });
    response.end(kept ?? body);
  });
  await new Promise<void>((listens) => server.listen(0, '127.0.0.1', listens));
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => void server.close(),
    keep: async (sidecar: Sidecar): Promise<void> => {
      behind = sidecar;
      kept = (await call(sidecar.envoy.at, { path: '/certs' })).body;
    },
    letGo: (): void => {
      kept = undefined;
    },
  };
};

describe('the gates of a rotation read what Envoys hold', function () {
  this.timeout(90_000);
  const world = useWorld();

  it('an Envoy whose /certs shows the old certificate is waited for, whatever it ACKed, and by name', async () => {
    const mesh = await world.mesh(rotatingMeshYaml(world.own(await httpApp('app')).port));
    const lagging = world.own(await laggingAdmin());
    const admin = `127.0.0.1:${lagging.port}`;
    const web = await world.sidecar(mesh, 'prod/web', {
      edit: (bootstrap) => ({
        ...bootstrap,
        node: { ...bootstrap.node, metadata: { ...Object(bootstrap.node).metadata, 'signet.envoy-admin': admin } },
      }),
    });
    const fleet = rotatingMesh(mesh, [web, await world.sidecar(mesh, 'prod/orders')]);
    await fleet.settled();
    const id = 'spiffe://shop.example/ns/prod/sa/web';
    const old = (await web.envoy.serialOf(id)) ?? assert.fail();
    await lagging.keep(web);
    await fleet.post('/api/v1/ca/rotation', { action: 'start', kind: 'intermediate' });
    await eventually(async () => {
      const { rotation, sidecars } = await fleet.rotation();
      assert.deepEqual(
        rotation?.waitingFor.map(({ node, why }) => `${node} ${why}`),
        [`${web.node} ACKed its certificate, and its Envoy still holds ${old}`],
      );
      assert.deepEqual([rotation?.step, sidecars.connected, sidecars.shown], ['issue', 2, 1]);
    }, 30_000);
    assert.notEqual(await web.envoy.serialOf(id), old);
    const { stdout } = await mesh.signet('ca', 'rotate');
    assert.match(stdout, /ACKed its certificate, and its Envoy still holds /);
    assert.match(stdout, /1 of 2 connected sidecars show what they ACKed in their Envoy's own \/certs/);
    lagging.letGo();
    await fleet.until('none');
    assert.equal((await fleet.rotation()).sidecars.shown, 2);
  });
});

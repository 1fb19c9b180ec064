import assert from 'node:assert/strict';
import { httpApp, tcpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import { nodes, refused, revoke, revokingMeshYaml } from '../support/revoking.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

describe('a revoked identity', function () {
  this.timeout(150_000);
  const world = useWorld();
  let mesh: TestMesh;
  let [one, two, debug, payments]: Sidecar[] = [];

  before(async () => {
    const app = world.own(await httpApp('app'));
    const ledger = world.own(await tcpApp());
    mesh = await world.mesh(revokingMeshYaml(app.port, ledger.port, '10s'));
    [one, two, debug, payments] = await world.sidecars(mesh, 'prod/web', 'prod/web', 'prod/debug', 'prod/payments');
    for (const caller of [one, two, debug]) await caller?.callUntil(200, { host: 'payments' });
  });

  it('takes all its instances and tokens along, and only a token made after that lets it back', async () => {
    const { stdout: spare } = await mesh.signet('token', 'create', 'prod/web', '--uses', '5');
    const load = world.load(debug, { host: 'payments' });
    const answer = await revoke(mesh, 'prod/web');
    const concerned = new Set(answer.certificates.map(({ node }) => node));
    assert.deepEqual([...concerned].sort(), [one?.node, two?.node].sort());
    assert.equal(answer.tokens.length, 3);
    assert.ok(answer.tokens.some((id) => spare.includes(id)));
    assert.deepEqual([answer.refusing.by, answer.refusing.of], [1, 1]);
    for (const caller of [one, two]) assert.equal((await caller?.call({ host: 'payments' }))?.status, 403);
    await eventually(async () => assert.deepEqual(await nodes(mesh), [debug?.node, payments?.node].sort()));
    assert.deepEqual((await load.stop()).failures, {});
    const again = await mesh.signet('ca', 'revoke', 'prod/web');
    assert.equal(again.code, 1);
    assert.match(again.stderr, /has no valid certificate and no join token that are not revoked yet\n$/);
    const back = await world.sidecar(mesh, 'prod/web');
    assert.equal((await back.callUntil(200, { host: 'payments' })).status, 200);
    assert.equal((await one?.call({ host: 'payments' }))?.status !== 200, true);
    await back.stop();
  });

  it('leaves the lists once no connection can live that it made', async () => {
    assert.ok((await refused(payments)) >= 2);
    // The certificates live for 10 s, a connection for 10 s more, and a minute is for clocks.
    await eventually(async () => assert.equal(await refused(payments), 0), 95_000, 500);
    assert.equal((await debug?.call({ host: 'payments' }))?.status, 200);
    assert.match((await mesh.signet('check')).stdout, /√ CHK0516 no certificate is revoked/);
  });
});

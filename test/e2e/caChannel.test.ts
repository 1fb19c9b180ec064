import assert from 'node:assert/strict';
import { connect } from 'node:tls';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import { pairYaml } from '../support/pairMesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

describe('the anchor of the channel rotates', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let [early, orders]: Sidecar[] = [];
  let late: Sidecar;

  before(async () => {
    mesh = await world.mesh(pairYaml(world.own(await httpApp('orders')).port), ['--bootstraps', './bootstraps']);
    [early, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
  });

  const rotate = (...args: readonly string[]) => mesh.signet('ca', 'rotate', '--channel', ...args);
  const connected = async (): Promise<readonly string[]> =>
    (await mesh.status()).sidecars.map(({ node }) => node).sort();
  const nodes = (...sidecars: readonly (Sidecar | undefined)[]): readonly string[] =>
    sidecars.map((sidecar) => sidecar?.node ?? '').sort();
  /** The subject of the issuer of what the xDS port shows to a client without a server name. */
  const issuer = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ ...mesh.xds, ALPNProtocols: ['h2'], rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.issuer ?? '');
        socket.destroy();
      });
      socket.on('error', reject);
    });

  it('stands beside the old one in every new bootstrap, and old ones still reconnect', async () => {
    const before = await issuer();
    const { code, stdout } = await rotate('--yes');
    assert.equal(code, 0);
    for (const node of nodes(early, orders)) assert.ok(stdout.includes(node), stdout);
    late = await world.sidecar(mesh, 'prod/web', {
      edit: (bootstrap) => {
        assert.equal(JSON.stringify(bootstrap).match(/BEGIN CERTIFICATE/g)?.length, 2);
        return bootstrap;
      },
    });
    await mesh.kill();
    await mesh.start();
    await eventually(async () => assert.deepEqual(await connected(), nodes(early, orders, late)), 20_000);
    assert.equal(await issuer(), before);
    await late.callUntil(200, { host: 'orders' });
  });

  it('serves an Envoy that knows the new one alone, which says so by its server name', async () => {
    const lonely = await world.sidecar(mesh, 'prod/web', {
      edit: (bootstrap) => {
        const text = JSON.stringify(bootstrap);
        const both = /"-----BEGIN CERTIFICATE-----[^"]+"/.exec(text)?.[0] ?? assert.fail();
        const second = `"${both.slice(both.lastIndexOf('-----BEGIN CERTIFICATE'))}`;
        return JSON.parse(text.replace(both, () => second));
      },
    });
    assert.equal((await lonely.callUntil(200, { host: 'orders' })).status, 200);
    await lonely.stop();
  });

  it('is not retired while a sidecar has the old one alone, which is said by name', async () => {
    const { code, stderr } = await rotate('--retire');
    assert.equal(code, 1);
    for (const node of nodes(early, orders)) assert.ok(stderr.includes(node), stderr);
    assert.ok(!stderr.includes(late.node), stderr);
    const check = await mesh.signet('check');
    assert.match(check.stdout, /‼ CHK0515 the channel has an old anchor; with it alone: prod\//);
  });

  it('once retired, serves those who have the new one, and calls go on for those who do not', async () => {
    const before = await issuer();
    assert.equal((await rotate('--retire', '--force')).code, 0);
    assert.notEqual(await issuer(), before);
    await mesh.kill();
    await mesh.start();
    await eventually(async () => assert.deepEqual(await connected(), nodes(late)), 20_000);
    assert.equal((await rotate()).stdout.match(/ active /g)?.length, 1);
    for (const sidecar of [early, late]) assert.equal((await sidecar?.call({ host: 'orders' }))?.status, 200);
  });
});

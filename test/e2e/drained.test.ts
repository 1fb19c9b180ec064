import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { relay } from '../support/relay.ts';
import { webAndOrders } from '../support/webAndOrders.ts';
import { useWorld } from '../support/world.ts';

describe('an instance whose stream ended', function () {
  this.timeout(120_000);
  const world = useWorld();

  it('is withdrawn after 3 s and not before; the answers that it still gives arrive', async () => {
    const app = world.own(
      await httpApp('orders', async (_seen, response) => {
        response.writeHead(200).write('begin ');
        await sleep(7_000);
        response.end('end');
      }),
    );
    const mesh = await world.mesh(webAndOrders(app.port));
    const wire = world.own(await relay({ host: world.address(200), port: 18_000 }, mesh.xds));
    const [web, stays] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    const leaves = await world.sidecar(mesh, 'prod/orders', { xds: `${world.address(200)}:18000` });
    const told = async (...sidecars: readonly { readonly address: string }[]): Promise<void> => {
      const addresses = sidecars.map(({ address }) => `${address}:8080`).sort();
      assert.deepEqual([...(await web.envoy.endpoints('prod/orders/8080'))].sort(), addresses);
    };
    const busy = async (): Promise<boolean> =>
      Number(await leaves.envoy.stat(/^http\.inbound\/8080\.downstream_rq_active$/)) > 0;
    await eventually(() => told(stays, leaves));
    // In the first minute nobody is withdrawn.
    await eventually(async () => assert.match((await mesh.signet('check')).stdout, /^√ CHK0401 .* is over/m), 65_000);
    const answers = Array.from({ length: 8 }, () => web.call({ host: 'orders', timeout: 20_000 }));
    await eventually(async () => assert.ok(await busy()));

    await wire.stop();
    const end = Date.now();
    while (Date.now() < end + 2_500) await told(stays, leaves);
    await eventually(() => told(stays), 2_500);

    assert.ok(await busy(), 'no answer was under way when it was withdrawn');
    for (const { body } of await Promise.all(answers)) assert.equal(body, 'begin end');
  });
});

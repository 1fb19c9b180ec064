import assert from 'node:assert/strict';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import { pairYaml } from '../support/pairMesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { webSocket } from '../support/webSocket.ts';
import { useWorld } from '../support/world.ts';

const ID = { web: 'spiffe://shop.example/ns/prod/sa/web', orders: 'spiffe://shop.example/ns/prod/sa/orders' };

describe('certificates rotate under load', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let target: number;
  let [web, orders]: Sidecar[] = [];

  const serial = async (who: 'web' | 'orders'): Promise<string> => {
    const found = await { web, orders }[who]?.envoy.serialOf(ID[who]);
    assert.ok(found !== undefined, `the Envoy of ${who} holds no certificate`);
    return found;
  };

  before(async () => {
    target = world.own(await httpApp('orders')).port;
    mesh = await world.mesh(pairYaml(target, 'ttl: 1h'));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  const renew = async (who: 'web' | 'orders'): Promise<void> => {
    const before = await serial(who);
    const { code, stderr } = await mesh.ask('ca', 'renew', `prod/${who}`);
    assert.equal(code, 0, stderr);
    await eventually(async () => assert.notEqual(await serial(who), before));
  };

  it('20 times without one failed request, and Envoy holds another serial each time', async () => {
    const load = world.load(web, { host: 'orders' });
    const socket = world.own(await webSocket(web?.outbound ?? assert.fail(), 'orders'));
    const seen = new Set([`web ${await serial('web')}`, `orders ${await serial('orders')}`]);
    for (let i = 0; i < 20; i++) {
      const who = i % 2 === 0 ? 'orders' : 'web';
      await renew(who);
      const made = load.totals().ok;
      await eventually(() => assert.ok(load.totals().ok > made + 25));
      seen.add(`${who} ${await serial(who)}`);
    }
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 500, `only ${ok} calls were made`);
    assert.equal(seen.size, 22);
    assert.equal(await socket.say('still here'), 'still here');
  });

  it('and status shows the serial that Envoy holds', async () => {
    await eventually(async () => {
      const { sidecars } = await mesh.status();
      for (const who of ['web', 'orders'] as const) {
        const shown = sidecars.find(({ service }) => service === `prod/${who}`)?.certificate?.serial;
        assert.equal(shown, await serial(who));
      }
    });
  });

  it('by themselves from half of a short life on, while connections end with the certificates', async () => {
    await mesh.save(pairYaml(target, 'ttl: 10s'));
    await eventually(async () => {
      const { sidecars } = await mesh.status();
      for (const { certificate, node } of sidecars) {
        assert.ok(Date.parse(certificate?.notAfter ?? '') - Date.now() <= 10_000, node);
      }
    }, 15_000);
    const load = world.load(web, { host: 'orders' });
    const seen = new Set<string>();
    await eventually(async () => {
      seen.add(await serial('orders'));
      assert.ok(seen.size >= 3, `${seen.size} serials`);
    }, 40_000);
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 500, `only ${ok} calls were made`);
  });
});

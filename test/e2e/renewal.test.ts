import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { IssuedAnswer, IssuedListAnswer } from '../../src/admin/responses.ts';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import { pairYaml } from '../support/pairMesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

const idOf = (name: string): string => `spiffe://shop.example/ns/prod/sa/${name}`;

describe('renewal while the control plane is not there', function () {
  this.timeout(180_000);
  const world = useWorld();
  let mesh: TestMesh;
  let [web, orders]: Sidecar[] = [];

  before(async () => {
    const { port } = world.own(await httpApp('orders'));
    mesh = await world.mesh(pairYaml(port, 'ttl: 20s'));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });
  after(() => {
    // A process that is stopped cannot end by SIGTERM.
    const { pid, alive } = mesh.server();
    if (alive()) process.kill(pid, 'SIGCONT');
  });

  const list = async (): Promise<readonly IssuedAnswer[]> =>
    ((await mesh.json('ca', 'list')) as IssuedListAnswer).certificates;
  const held = async (): Promise<readonly IssuedAnswer[]> => (await list()).filter(({ state }) => state === 'held');
  /** What Signet believes that they hold is what the Envoys hold, and nothing is wrong with it. */
  const agree = async (): Promise<readonly string[]> => {
    const believed = await held();
    assert.equal(believed.length, 2, JSON.stringify(await list()));
    for (const { node, identity, serial, secondsLeft } of believed) {
      const sidecar = node === web?.node ? web : orders;
      assert.equal(await sidecar?.envoy.serialOf(identity), serial);
      assert.ok(secondsLeft > 0 && secondsLeft <= 20);
    }
    return believed.map(({ serial }) => serial);
  };
  const stop = async (span: number): Promise<void> => {
    const { pid } = mesh.server();
    process.kill(pid, 'SIGSTOP');
    try {
      await sleep(span);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  };
  const check = async (): Promise<string> => (await mesh.ask('check')).stdout;

  it('lists what the Envoys hold, by identity, issuer and root', async () => {
    await eventually(async () => void (await agree()));
    const { slots } = (await mesh.json('ca', 'status')) as { slots: readonly { kind: string; serial: string }[] };
    const serialOf = (kind: string): string | undefined => slots.find((slot) => slot.kind === kind)?.serial;
    for (const { issuer, root, identity } of await held()) {
      assert.deepEqual([issuer, root], [serialOf('intermediate'), serialOf('root')]);
      assert.ok([idOf('web'), idOf('orders')].includes(identity));
    }
    const csv = await mesh.signet('ca', 'list', '-o', 'csv');
    assert.ok(csv.stdout.includes(`\r\n${web?.node},${idOf('web')},`), csv.stdout);
  });

  it('renews what became due while it was stopped for 8 s, before anything ends: no call fails', async () => {
    await eventually(async () => {
      for (const { secondsLeft } of await held()) assert.ok(secondsLeft >= 17);
    }, 40_000);
    const before = await agree();
    const load = world.load(web, { host: 'orders' });
    await sleep(5_000);
    // Due between 10 and 12 s of 20; it wakes up at about 14 to 16.
    await stop(8_000);
    const from = Date.now();
    await eventually(async () => {
      for (const serial of await agree()) assert.ok(!before.includes(serial));
    }, 5_000);
    const took = Date.now() - from;
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 200, `only ${ok} calls were made`);
    assert.ok(took < 4_000, `renewed ${took} ms after it went on`);
    assert.match(mesh.server().stdout() + mesh.server().stderr(), /Signet stood still for (8|9|1\d)s/);
    assert.match(await check(), /√ CHK0501/);
  });

  it('gives new ones within seconds to those whose certificates ended meanwhile', async () => {
    const before = await agree();
    await stop(22_000);
    await eventually(async () => {
      for (const serial of await agree()) assert.ok(!before.includes(serial));
    }, 5_000);
    await web?.callUntil(200, { host: 'orders' }, 5_000);
    await eventually(async () => {
      const lines = await check();
      for (const code of ['CHK0501', 'CHK0511', 'CHK0512', 'CHK0513']) assert.ok(lines.includes(`√ ${code}`), lines);
    }, 5_000);
  });

  it('tells of those that are away, and of an instance that was renewed since', async () => {
    await eventually(async () => void (await agree()));
    const old = (await list()).filter(({ state }) => state === 'earlier');
    await mesh.signet('ca', 'renew', 'prod/web');
    await eventually(async () => {
      const listed = await list();
      assert.ok(listed.filter(({ state }) => state === 'earlier').length > old.filter((o) => o.secondsLeft > 5).length);
      assert.equal(listed.find(({ node }) => node === web?.node)?.state, 'held');
    });
    await orders?.stop();
    await eventually(async () => {
      assert.equal((await list()).find(({ node }) => node === orders?.node)?.state, 'away');
    });
  });
});

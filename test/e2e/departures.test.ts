import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { CROWD_WINDOW } from '../../src/control/departures.ts';
import { httpApp } from '../support/apps.ts';
import { eventually, untilMoment } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Done } from '../support/processes.ts';
import { relay } from '../support/relay.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { webAndOrders } from '../support/webAndOrders.ts';
import { useWorld } from '../support/world.ts';

describe('instances of one service that come and go', function () {
  this.timeout(120_000);
  const world = useWorld();
  let mesh: TestMesh;
  let [web, first, second, third]: Sidecar[] = [];
  let crowd: readonly Sidecar[] = [];

  before(async () => {
    const app = world.own(
      await httpApp('orders', async ({ url }, response) => {
        response.writeHead(200).write('begin ');
        if (url === '/slow') await sleep(7_000);
        response.end('end');
      }),
    );
    mesh = await world.mesh(webAndOrders(app.port));
    [web, first, second] = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  const check = (...args: readonly string[]): Promise<Done> => mesh.ask('check', ...args);
  const told = async (): Promise<readonly string[]> =>
    [...((await web?.envoy.endpoints('prod/orders/8080')) ?? [])].sort();
  const at = (...sidecars: readonly (Sidecar | undefined)[]): readonly string[] =>
    sidecars.map((sidecar) => `${sidecar?.address}:8080`).sort();
  const calls = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) assert.equal((await web?.call({ host: 'orders' }))?.status, 200);
  };
  let lastLeft = 0;
  /** Until who leaves now is no crowd together with who left before. */
  const apart = (): Promise<void> => untilMoment(lastLeft + CROWD_WINDOW + 1_000);

  it('are both told to callers and both called, each with a certificate of its own', async () => {
    await eventually(async () => assert.deepEqual(await told(), at(first, second)));
    const served = async (sidecar: Sidecar | undefined): Promise<number> =>
      (await sidecar?.envoy.stat(/^http\.inbound\/8080\.downstream_rq_2xx$/)) ?? 0;
    await calls(40);
    await eventually(async () => assert.ok((await served(first)) > 0 && (await served(second)) > 0));
    const id = 'spiffe://shop.example/ns/prod/sa/orders';
    assert.notEqual(await first?.envoy.serialOf(id), await second?.envoy.serialOf(id));
  });

  it('are both told on when one is killed in the first minute after a start; it is withdrawn after that, and all is healthy', async () => {
    // The dead one is retried past for as long as it is still told.
    await first?.stop('SIGKILL');
    const killed = Date.now();
    await eventually(() => calls(20), 5_000);
    const load = world.load(web, { host: 'orders' }, { workers: 2, pause: 20 });
    await untilMoment(killed + 5_000);
    assert.match(
      (await check()).stdout,
      /^‼ CHK0401 Signet started .*nothing is withdrawn before \S+; 1 instance is away: prod\/orders/m,
    );
    assert.deepEqual(await told(), at(first, second));
    await eventually(async () => assert.deepEqual(await told(), at(second)), 65_000);
    assert.deepEqual((await load.stop()).failures, {});
    assert.match((await check()).stdout, /^√ CHK0401 the first minute after the start is over/m);
    const { code, stdout } = await check('--wait');
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /[×‼]/);
  });

  it('lose one whose stream ended after 3 s and not before; the answers that it still gives arrive', async () => {
    const wire = world.own(await relay({ host: world.address(200), port: 18_000 }, mesh.xds));
    const leaves = await world.sidecar(mesh, 'prod/orders', { xds: `${world.address(200)}:18000` });
    const busy = async (): Promise<boolean> =>
      (await leaves.envoy.stat(/^http\.inbound\/8080\.downstream_rq_active$/)) > 0;
    await eventually(async () => assert.deepEqual(await told(), at(second, leaves)));
    const answers = Array.from({ length: 8 }, () => web?.call({ host: 'orders', path: '/slow', timeout: 20_000 }));
    await eventually(async () => assert.ok(await busy()));

    await wire.stop();
    const end = Date.now();
    lastLeft = end;
    while (Date.now() < end + 2_500) assert.deepEqual(await told(), at(second, leaves));
    await eventually(async () => assert.deepEqual(await told(), at(second)), 2_500);

    assert.ok(await busy(), 'no answer was under way when it was withdrawn');
    for (const answer of await Promise.all(answers)) assert.equal(answer?.body, 'begin end');
    await leaves.stop();
  });

  it('are two again when a new one starts', async () => {
    third = await world.sidecar(mesh, 'prod/orders');
    await eventually(async () => assert.deepEqual(await told(), at(second, third)));
  });

  it('are one again when one stops in order: calls go on', async () => {
    await apart();
    await second?.stop('SIGTERM');
    lastLeft = Date.now();
    await calls(40);
    assert.ok((await third?.envoy.stat(/^http\.inbound\/8080\.downstream_rq_2xx$/)) !== 0);
    await eventually(async () => assert.deepEqual(await told(), at(third)));
  });

  it('are all told on when a crowd of them leaves, and signet check tells of it by name', async () => {
    crowd = await world.sidecars(mesh, 'prod/orders', 'prod/orders');
    await eventually(async () => assert.deepEqual(await told(), at(third, ...crowd)));
    await apart();
    await Promise.all(crowd.map((sidecar) => sidecar.stop('SIGKILL')));
    const gone = Date.now();
    const { stdout } = await eventually(async () => {
      const done = await check();
      assert.match(done.stdout, /^‼ CHK0402 /m);
      return done;
    });
    const [line = ''] = /^‼ CHK0402 .*$/m.exec(stdout) ?? [];
    assert.match(line, /2 of 3 instances of prod\/orders/);
    for (const { node } of crowd) assert.ok(line.includes(node), line);
    await untilMoment(gone + 5_000);
    assert.deepEqual(await told(), at(third, ...crowd));
    assert.match((await check()).stdout, /^‼ CHK0402 .*none is withdrawn before/m);
  });

  it('are all told on in the first minute after a start, and signet check tells who is away', async () => {
    await mesh.kill();
    const silent = await check();
    assert.equal(silent.code, 1);
    assert.match(
      silent.stdout,
      /^× CHK0101 no control plane answers at http:\S+ .*\n {4}start one with `signet serve`/m,
    );
    await mesh.start();
    await eventually(async () => {
      const { stdout } = await check();
      const [line = ''] = /^‼ CHK0401 .*$/m.exec(stdout) ?? [];
      assert.match(line, /nothing is withdrawn before \S+; 2 instances are away/, stdout);
      for (const { node } of crowd) assert.ok(line.includes(node), line);
    }, 15_000);
    assert.deepEqual(await told(), at(third, ...crowd));
  });
});

import assert from 'node:assert/strict';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Done } from '../support/processes.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { webAndOrders } from '../support/webAndOrders.ts';
import { useWorld } from '../support/world.ts';

describe('signet check', function () {
  this.timeout(180_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let [web, first, second]: Sidecar[] = [];
  let crowd: readonly Sidecar[] = [];

  before(async () => {
    app = world.own(await httpApp('orders'));
    mesh = await world.mesh(webAndOrders(app.port));
    [web, first, second] = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  const check = (...args: readonly string[]): Promise<Done> => mesh.signet('check', ...args);
  const told = async (): Promise<readonly string[]> =>
    [...((await web?.envoy.endpoints('prod/orders/8080')) ?? [])].sort();
  const at = (...sidecars: readonly (Sidecar | undefined)[]): readonly string[] =>
    sidecars.map((sidecar) => `${sidecar?.address}:8080`).sort();

  it('finds a working mesh healthy: good lines with codes only, and exit 0', async () => {
    const { code, stdout, stderr } = await check('--wait');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, stdout);
    assert.match(stdout, /^√ CHK0301 3 of 3 sidecars took the newest configuration$/m);
    assert.match(stdout, /^√ CHK0404 every service with ports has an instance \(1\)$/m);
    assert.match(stdout, /^√ CHK0501 3 certificates in force, the first ends in 23h/m);
    assert.doesNotMatch(stdout, /[×‼]/);
    assert.match(stdout, /\n√ healthy\n$/);
  });

  it('tells of a bad save with its line, and exit 1, until it is corrected', async () => {
    await mesh.save(webAndOrders(app.port).replace('allow: [web]', 'allow: [wbe]'));
    const bad = await eventually(async () => {
      const done = await check();
      assert.equal(done.code, 1, done.stdout);
      return done;
    });
    assert.match(bad.stdout, /^× CHK0201 .*mesh\.yaml:7:\d+ SIG0502 .*wbe.*did you mean web/m);
    assert.match(bad.stdout, /\n {4}correct it and save; .*`signet validate \S*mesh\.yaml`/);
    assert.match(bad.stdout, /\n× not healthy: 1 failure\n$/);
    const waited = await check('--wait', '--timeout', '1s');
    assert.equal(waited.code, 1);
    assert.match(waited.stdout, /\n× not healthy within 1s: 1 failure\n$/);
    await mesh.save(webAndOrders(app.port));
    assert.equal((await check('--wait')).code, 0);
  });

  it('waits for a save that was made just before', async () => {
    const [before = ''] = /revision \S+/.exec((await check()).stdout) ?? [];
    await mesh.save(webAndOrders(app.port).replace('allow: [web]', 'allow: [{ from: web, to: GET /* }]'));
    const { code, stdout } = await check('--wait');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^√ CHK0201 \S*mesh\.yaml is what is served, revision \S+$/m);
    assert.ok(!stdout.includes(before), stdout);
    assert.equal((await web?.call({ host: 'orders', method: 'POST' }))?.status, 403);
  });

  it('tells of a replica that is killed in the first minute after a start: it is withdrawn after that, and all is healthy', async () => {
    await first?.stop('SIGKILL');
    const killed = Date.now();
    await eventually(async () => {
      assert.ok(Date.now() - killed > 5_000);
      const { stdout } = await check();
      assert.match(
        stdout,
        /^‼ CHK0401 Signet started .*nothing is withdrawn before \S+; 1 instance is away: prod\/orders/m,
      );
    }, 8_000);
    assert.deepEqual(await told(), at(first, second));
    await eventually(async () => assert.deepEqual(await told(), at(second)), 65_000);
    assert.match((await check()).stdout, /^√ CHK0401 the first minute after the start is over/m);
    const { code, stdout } = await check('--wait');
    assert.equal(code, 0, stdout);
    assert.doesNotMatch(stdout, /[×‼]/);
  });

  it('tells of a crowd by name: none of it is withdrawn', async () => {
    crowd = await world.sidecars(mesh, 'prod/orders', 'prod/orders');
    await eventually(async () => assert.deepEqual(await told(), at(second, ...crowd)));
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
    await eventually(() => assert.ok(Date.now() - gone > 5_000), 8_000);
    assert.deepEqual(await told(), at(second, ...crowd));
    assert.match((await check()).stdout, /^‼ CHK0402 .*none is withdrawn before/m);
  });

  it('tells in the first minute after a start that nothing is withdrawn, and who is away', async () => {
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
    assert.deepEqual(await told(), at(second, ...crowd));
  });
});

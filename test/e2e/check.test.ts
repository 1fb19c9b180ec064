import assert from 'node:assert/strict';
import type { FleetStatus } from '../../src/control/status.ts';
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
  let web: Sidecar | undefined;

  before(async () => {
    app = world.own(await httpApp('orders'));
    mesh = await world.mesh(webAndOrders(app.port));
    [web] = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  const check = (...args: readonly string[]): Promise<Done> => mesh.signet('check', ...args);

  it('finds a working mesh healthy: good lines with codes only, and exit 0', async () => {
    const { code, stdout, stderr } = await check('--wait');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, stdout);
    assert.match(stdout, /^√ CHK0301 3 of 3 sidecars took the newest configuration$/m);
    assert.match(stdout, /^√ CHK0404 every service with ports has an instance \(1\)$/m);
    assert.match(stdout, /^√ CHK0501 3 certificates in force, the first ends in 23h/m);
    assert.doesNotMatch(stdout, /[×‼]/);
    assert.match(stdout, /\n√ healthy\n$/);
  });

  it('takes no Envoy that starts for done before it took its listeners', async () => {
    let [started, seen] = [false, 0];
    const watch = async (): Promise<void> => {
      while (!started) {
        const { sidecars } = JSON.parse((await mesh.api('/api/v1/status')).body) as FleetStatus;
        for (const { node, progress, types } of sidecars) {
          if (progress === 'settled') assert.ok(types.lds?.acked, `${node} is settled and has no listeners`);
          else seen += 1;
        }
      }
    };
    const watching = watch();
    const starting = Array.from({ length: 3 }, () => world.sidecar(mesh, 'prod/web'));
    for (const sidecar of await Promise.all(starting).finally(() => {
      started = true;
    })) {
      await sidecar.stop();
    }
    await watching;
    assert.ok(seen > 0, 'no Envoy was seen while it started');
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
});

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import type { Line } from '../support/tcp.ts';
import { webSocket } from '../support/webSocket.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (target: number, { allow = 'web', more = '' } = {}): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: [orders] }
      orders:
        ports: [8080:${target}/http]
        allow: [${allow}]
${more}`;

describe('a save of mesh.yaml', function () {
  this.timeout(60_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let good: string;
  let web: Sidecar;
  let socket: Line;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  after(() => agent.destroy());

  before(async () => {
    app = world.own(await httpApp('orders'));
    good = meshYaml(app.port);
    mesh = await world.mesh(good);
    [web] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
    socket = world.own(await webSocket(web.outbound, 'orders'));
  });

  const statusText = async (): Promise<string> => {
    const { stdout, stderr } = await mesh.ask('status');
    return stdout + stderr;
  };

  const BAD: readonly { readonly name: string; readonly text: () => string; readonly line: number }[] = [
    { name: 'an unknown key', text: () => good.replace('allow:', 'alow:'), line: 9 },
    { name: 'a caller that does not exist', text: () => good.replace('[web]', '[webb]'), line: 9 },
    { name: 'a wrong type', text: () => good.replace('uses: [orders]', 'uses: 7'), line: 6 },
    { name: 'half of the file', text: () => good.slice(0, good.indexOf('/http]') + 2), line: 8 },
    { name: 'a duplicate key', text: () => `${good}      web: {}\n`, line: 10 },
    {
      name: 'a key that is not built yet',
      text: () => good.replace('orders:\n', 'orders:\n        jwt: []\n'),
      line: 8,
    },
  ];

  it('that is bad changes nothing, and validate and status name the line', async () => {
    const load = world.load(web, { host: 'orders' }, { workers: 2 });
    const sent = JSON.stringify((await mesh.status()).sidecars.map(({ types }) => types));
    for (const { name, text, line } of BAD) {
      await mesh.save(text());
      const place = new RegExp(`mesh\\.yaml:${line}(:|\\b)`);
      const { code, stderr } = await mesh.ask('validate', mesh.file);
      assert.equal(code, 1, name);
      assert.match(stderr, new RegExp(`mesh\\.yaml:${line}:\\d+ SIG0\\d+ `), name);
      await eventually(async () => assert.match(await statusText(), place, name));
      assert.equal(JSON.stringify((await mesh.status()).sidecars.map(({ types }) => types)), sent, name);
    }
    const { failures } = await load.stop();
    assert.deepEqual(failures, {});
    await mesh.save(good);
    await eventually(async () => assert.doesNotMatch(await statusText(), /mesh\.yaml:\d+:\d+/));
  });

  it('that removes the file changes nothing, and saving it again heals', async () => {
    await rm(mesh.file);
    await eventually(async () => assert.match(await statusText(), /mesh\.yaml/));
    assert.equal((await web.call({ host: 'orders' })).status, 200);
    await mesh.save(good);
    await eventually(async () => assert.equal((await mesh.api('/readyz')).status, 200));
  });

  it('that takes an allow away is in force on a live connection within two seconds; so is its return', async () => {
    assert.equal((await web.call({ host: 'orders', agent })).status, 200);
    await mesh.save(meshYaml(app.port, { allow: '' }));
    const within = 2_000;
    const refused = () => web.call({ host: 'orders', agent }).then(({ status }) => assert.equal(status, 403));
    await eventually(refused, within);
    const before = app.requests.length;
    await refused();
    assert.equal(app.requests.length, before);
    await mesh.overwrite(good);
    await eventually(() => web.call({ host: 'orders', agent }).then(({ status }) => assert.equal(status, 200)), within);
  });

  it('that adds a service and a port lets them be called without touching the others', async () => {
    const inventory = world.own(await httpApp('inventory'));
    const more = `      inventory: { ports: [8080:${inventory.port}/http], allow: [web] }\n`;
    const load = world.load(web, { host: 'orders' }, { workers: 2 });
    assert.equal((await web.call({ host: 'inventory' })).status, 404);
    await mesh.save(meshYaml(app.port, { more }));
    await eventually(async () => assert.equal((await mesh.signet('bootstrap', 'prod/inventory')).code, 0));
    const sidecar = await world.sidecar(mesh, 'prod/inventory');
    await web.callUntil(200, { host: 'inventory' });
    const ports = `{ http: 8080:${inventory.port}/http, extra: 8081:${inventory.port}/http }`;
    await mesh.save(meshYaml(app.port, { more: `      inventory: { ports: ${ports}, allow: [web] }\n` }));
    await web.callUntil(200, { host: 'inventory:8081' });
    assert.ok((await sidecar.envoy.listeners()).includes('inbound/8081'));
    const { failures } = await load.stop();
    assert.deepEqual(failures, {});
  });

  it('that removes a service ends its sidecar’s stream and the calls to it', async () => {
    await mesh.save(good);
    await web.callUntil(404, { host: 'inventory' });
    await eventually(async () => {
      const { sidecars } = await mesh.status();
      assert.equal(
        sidecars.some(({ service }) => service === 'prod/inventory'),
        false,
      );
    });
    assert.equal((await web.call({ host: 'orders' })).status, 200);
  });

  it('of endpoints, routes and HTTP policy, as all of these were, touches no live connection', async () => {
    assert.equal(await socket.say('still here'), 'still here');
  });
});

import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import {
  decodeReflected,
  decodeStatus,
  encodeQuestion,
  encodeStatusRequest,
  FETCH,
  HEALTH,
  type OperatorClient,
  openPlain,
  REFLECT,
  STREAM,
  statusOf,
} from '../support/operatorClient.ts';
import type { Running } from '../support/processes.ts';
import { startSignet } from '../support/signet.ts';
import { useWorld } from '../support/world.ts';

const MESH = `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      orders: { ports: [8080:3000/http], allow: [web] }
`;

describe('signet csds', function () {
  this.timeout(60_000);
  const world = useWorld();
  let mesh: TestMesh;
  let view: Running;
  let target: string;
  let tool: OperatorClient;

  const command = (sidecar: string, ...rest: readonly string[]): Running => {
    const { host, port } = mesh.admin;
    const where = ['--server', `http://${host}:${port}`, '--admin-token-file', `${mesh.data}/admin.token`];
    const running = startSignet('signet csds', ['csds', sidecar, ...where, ...rest]);
    mesh.own(running);
    return running;
  };

  before(async () => {
    mesh = await world.mesh(MESH);
    await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/orders');
    view = command('prod/web');
    await eventually(() => assert.match(view.stdout(), /^unix:\/\/\/.+\n$/));
    target = view.stdout().trim();
    tool = openPlain(target);
  });
  after(() => tool?.close());

  it('answers a tool in plaintext and without a token, about the one sidecar', async () => {
    for (const method of [FETCH, STREAM]) {
      for (const asked of [{}, { node_matchers: [{ node_id: { prefix: 'prod/orders' } }] }]) {
        const [answer] = await tool.call(method, [encodeStatusRequest(asked)]);
        const told = decodeStatus(answer ?? Buffer.alloc(0));
        assert.equal(told.length, 1);
        assert.match(told[0]?.node.id ?? '', /^prod\/web\//);
        assert.ok((told[0]?.generic_xds_configs.length ?? 0) > 2);
      }
    }
  });

  it('has health and reflection there, and nothing else', async () => {
    const [health] = await tool.call(HEALTH, [Buffer.alloc(0)]);
    assert.deepEqual(health, Buffer.from([8, 1]), 'SERVING');
    const [listed] = await tool.call(REFLECT, [encodeQuestion({ list_services: '' })]);
    assert.equal(decodeReflected(listed ?? Buffer.alloc(0)).list_services_response?.service.length, 10);
    const ads = 'envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
    assert.match(await statusOf(tool.call(ads, [Buffer.alloc(0)])), /^UNIMPLEMENTED /);
    assert.match(await statusOf(tool.call(FETCH, [Buffer.from([0xff])])), /^INVALID_ARGUMENT /);
  });

  it('lies where only its user can reach it, and is gone at the end', async () => {
    const folder = dirname(target.replace('unix://', ''));
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.deepEqual(await view.stop('SIGINT'), { code: 0, signal: null });
    assert.equal(existsSync(folder), false);
  });

  it('runs a command beside it and passes on its code', async () => {
    const script = 'console.log(process.argv[1]); process.exit(7)';
    const running = command('prod/web', '--', process.execPath, '-e', script, '{}');
    assert.deepEqual(await running.exited, { code: 7, signal: null });
    assert.match(running.stdout(), /^unix:\/\/\/.+\n$/);
  });

  it('says in a sentence what it cannot show', async () => {
    const wrong: readonly (readonly [readonly [string, ...string[]], number, RegExp])[] = [
      [
        ['prod/orders'],
        2,
        /^signet: prod\/orders has 2 sidecars, name one of them: prod\/orders\/\w+, prod\/orders\/\w+\n$/,
      ],
      [['prod/nobody'], 1, /^signet: no sidecar prod\/nobody is connected: see `signet status`\n$/],
      [['prod/web', '--', 'grpcdebug', 'xds', 'status'], 2, /^signet: say with \{\} where COMMAND takes the address/],
    ];
    for (const [args, code, words] of wrong) {
      const running = command(...args);
      const ended = await running.exited;
      assert.match(running.stderr(), words);
      assert.equal(ended.code, code, args.join(' '));
    }
  });
});

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { checkHealth } from '../../../../src/control/health/checks.ts';
import type { Finding, HealthReport } from '../../../../src/control/health/finding.ts';
import type { Refusal } from '../../../../src/control/refusals.ts';
import { TYPE } from '../../../../src/xds/resource.ts';
import type { StreamId } from '../../../../src/xds/server.ts';
import { memoryStore } from '../../../fakes/memoryStore.ts';
import { TestControl } from '../../../support/controlPlane.ts';

const MESH = `mesh:
  trustDomain: shop.example
namespaces:
  prod:
    services:
      web: {}
      orders:
        ports: [8080:3001/http]
        allow: [web]
`;

describe('what signet check knows of a running control plane', () => {
  let test: TestControl;
  const start = async (store = memoryStore()): Promise<TestControl> => {
    test = await TestControl.start(MESH, store);
    return test;
  };
  afterEach(() => test.close());

  const check = async (): Promise<HealthReport> =>
    checkHealth({ ...(await test.control.health()), version: '1', authorities: [] });
  const about = async (code: string): Promise<Finding> => {
    const [found] = (await check()).findings.filter((finding) => finding.code === code);
    assert.ok(found);
    return found;
  };
  const join = async (node: string, from = '127.0.0.1'): Promise<StreamId> => {
    const [namespace, name] = node.split('/');
    const stream: Refusal | StreamId = await test.connect(await test.token(`${namespace}/${name}`), node, from);
    assert.ok(typeof stream === 'string');
    return stream;
  };
  const settle = (stream: StreamId): void =>
    test.event({ kind: 'progress', stream, at: test.clock.now(), progress: 'settled', held: new Map() });

  it('is a healthy mesh once the sidecars took everything, and worth waiting for until then', async () => {
    await start();
    const streams = [await join('prod/web/a'), await join('prod/orders/a')];
    await test.clock.advance(2_000);
    const early = await check();
    assert.deepEqual([early.healthy, early.pending], [true, true]);
    assert.match((await about('CHK0301')).message, /0 of 2 .*: prod\/web\/a, prod\/orders\/a$/);
    for (const stream of streams) settle(stream);
    const late = await check();
    assert.deepEqual([...new Set(late.findings.map(({ level }) => level))], ['ok']);
    assert.equal(late.pending, false);
  });

  it('is no healthy mesh while a sidecar takes nothing for more than 10 s', async () => {
    await start();
    const web = await join('prod/web/a');
    const sent = { at: test.clock.now(), version: 'v1', resources: [], removed: [], bytes: 1 };
    test.event({ ...sent, kind: 'sent', stream: web, type: TYPE.lds });
    await test.clock.advance(10_100);
    const { healthy, pending } = await check();
    assert.deepEqual([healthy, pending], [false, true]);
    assert.match((await about('CHK0301')).message, /10s not taken \(lds\): prod\/web\/a$/);
  });

  it('names who refused what, with the line of mesh.yaml', async () => {
    await start();
    const orders = await join('prod/orders/a');
    const at = test.clock.now();
    const resources = [{ name: 'inbound/8080', version: 'v' }];
    const error = 'inbound/8080: \u001b[2Jin use';
    test.event({ kind: 'nacked', stream: orders, at, type: TYPE.lds, version: 'v', resources, removed: [], error });
    const { level, message } = await about('CHK0302');
    assert.equal(level, 'failure');
    assert.match(message, /^prod\/orders\/a refused lds: inbound\/8080: \\u\{1b\}\[2Jin use \(from .*mesh\.yaml:8\)$/);
  });

  it('names a node id in two places, with the token that would end both', async () => {
    await start();
    const token = await test.token('prod/web', 1);
    for (const from of ['10.0.0.1', '10.0.0.2']) await test.connect(token, 'prod/web/a', from);
    const { level, message, action } = await about('CHK0304');
    assert.deepEqual([level, message], ['warning', 'prod/web/a has 2 live streams at once, from 10.0.0.1, 10.0.0.2']);
    assert.ok(action?.includes(`signet token revoke ${token.split('_')[1]}`), action ?? '');
  });

  it('is no healthy mesh while a configuration cannot be made', async () => {
    await start();
    test.svids.failing = true;
    await join('prod/web/a');
    const { level, message } = await about('CHK0303');
    assert.equal(level, 'failure');
    assert.match(message, /prod\/web\/a: no certificates today$/);
    test.svids.failing = false;
    await test.clock.advance(31_000);
    assert.equal((await about('CHK0303')).level, 'ok');
  });

  it('knows at once that the disk holds another file, and then why it is not served', async () => {
    await start();
    assert.equal((await about('CHK0201')).level, 'ok');
    await writeFile(test.file, MESH.replace('allow: [web]', 'allow: [wbe]'));
    assert.equal((await about('CHK0201')).pending, true);
    await test.save(MESH.replace('allow: [web]', 'allow: [wbe]'));
    const { level, message } = await about('CHK0201');
    assert.equal(level, 'failure');
    assert.match(message, /mesh\.yaml:9:\d+ SIG0502 /);
    await test.save(MESH);
    assert.equal((await about('CHK0201')).level, 'ok');
    await rm(test.file);
    assert.equal((await about('CHK0201')).pending, true);
  });

  it('is no healthy mesh from the first write that the store refuses until one succeeds', async () => {
    const store = memoryStore();
    await start(store);
    assert.equal((await about('CHK0102')).level, 'ok');
    store.broken = true;
    await assert.rejects(test.token('prod/web'));
    const { level, message } = await about('CHK0102');
    assert.equal(level, 'failure');
    assert.match(message, /the disk refuses$/);
    store.broken = false;
    await test.token('prod/web');
    assert.equal((await about('CHK0102')).level, 'ok');
  });

  it('names a crowd that went away, and then the last of a service', async () => {
    await start();
    const streams = [await join('prod/orders/a', '10.0.0.1'), await join('prod/orders/b', '10.0.0.2')];
    await test.clock.advance(100_000);
    const at = test.clock.now();
    for (const stream of streams) test.event({ kind: 'closed', stream, at });
    const { level, message } = await about('CHK0402');
    assert.equal(level, 'warning');
    assert.match(message, /2 of 2 instances of prod\/orders \(prod\/orders\/a, prod\/orders\/b\)/);
    await test.clock.advance(601_000);
    assert.equal((await about('CHK0402')).level, 'ok');
    assert.match((await about('CHK0403')).message, /no instance of prod\/orders is connected, for 10m1s/);
  });

  it('says in the first minute after a start who is away', async () => {
    const store = memoryStore();
    await start(store);
    const token = await test.token('prod/orders');
    const connect = (n: string, from: string): Promise<Refusal | StreamId> =>
      test.connect(token, `prod/orders/${n}`, from);
    const places = { a: '10.0.0.1', b: '10.0.0.2', c: '10.0.0.3', d: '10.0.0.4' };
    for (const [n, from] of Object.entries(places)) await connect(n, from);
    await test.close();
    await start(store);
    await test.clock.advance(5_000);
    assert.match((await about('CHK0401')).message, /4 instances are away/);
    assert.equal((await about('CHK0402')).level, 'ok');
    for (const [n, from] of Object.entries(places)) await connect(n, from);
    assert.match((await about('CHK0401')).message, /started 5s ago.*; nobody is away$/);
    test.event({ kind: 'closed', stream: (await connect('e', '10.0.0.5')) as StreamId, at: test.clock.now() });
    await test.clock.advance(10_000);
    assert.match((await about('CHK0401')).message, /1 instance is away: prod\/orders\/e$/);
    await test.clock.advance(50_000);
    assert.deepEqual((await about('CHK0401')).level, 'ok');
  });
});

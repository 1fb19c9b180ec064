import assert from 'node:assert/strict';
import type { Refusal } from '../../../src/control/refusals.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import type { StreamId } from '../../../src/xds/server.ts';
import { TestControl } from '../../support/controlPlane.ts';

const MESH = `mesh:
  trustDomain: shop.example
namespaces:
  prod:
    services:
      web:
        ports: [8080:3000/http]
      orders:
        ports: [8080:3001/http]
        allow:
          - from: web
            to: GET /orders/*
      other:
        ports: [8080:3002/http]
`;

const isStream = (answer: Refusal | StreamId): answer is StreamId => typeof answer === 'string';
const codeOf = (answer: Refusal | StreamId): string => (isStream(answer) ? 'ok' : answer.code);

describe('control plane', () => {
  let test: TestControl;
  const start = async (mesh = MESH): Promise<TestControl> => {
    test = await TestControl.start(mesh);
    return test;
  };
  afterEach(() => test.close());

  it('publishes a sidecar everything at once, its certificate included', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    assert.equal(test.count(web), 1);
    const [svid = '', bundle = ''] = test.resources(web, 'sds');
    assert.match(svid, /spiffe:\/\/shop\.example\/ns\/prod\/sa\/web/);
    assert.match(bundle, /root/);
    for (const type of ['cds', 'lds', 'rds'] as const) assert.ok(test.resources(web, type).length > 0, type);
    assert.equal(test.svids.issued.length, 1);
  });

  it('gives each instance its own certificate and nobody else’s', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const orders = await test.connect(await test.token('prod/orders'), 'prod/orders/a');
    assert.equal(test.resources(web, 'sds').filter((text) => text.includes('sa/orders')).length, 0);
    assert.equal(test.resources(orders, 'sds').filter((text) => text.includes('sa/web')).length, 0);
  });

  it('has a sidecar that names no address listen where callers will look for it', async () => {
    await start();
    const token = await test.token('prod/web');
    const listeners = async (node: string, from: string, metadata = {}): Promise<string> =>
      test.resources(await test.connect(token, node, from, metadata), 'lds').join();
    assert.match(await listeners('prod/web/a', '10.0.0.7'), /0\.0\.0\.0/);
    assert.match(await listeners('prod/web/b', '::ffff:10.0.0.8'), /0\.0\.0\.0/);
    assert.doesNotMatch(await listeners('prod/web/c', 'fd00::7'), /0\.0\.0\.0/);
    assert.match(await listeners('prod/web/d', 'fd00::8', { 'signet.address': 'fd00::9' }), /fd00::9/);
  });

  it('refuses node ids that do not agree with the credential, each with one sentence', async () => {
    await start();
    const token = await test.token('prod/web');
    for (const node of [
      'prod/orders/a',
      'prod/web',
      'web',
      'prod/web/a/b',
      '',
      'prod/web/',
      'PROD/web/a',
      'prod/web/../x',
    ]) {
      const answer = await test.connect(token, node);
      assert.equal(codeOf(answer), 'permission_denied', node);
      if (!isStream(answer)) assert.doesNotMatch(answer.message, /\n/);
    }
    assert.equal(codeOf(await test.connect('nonsense', 'prod/web/a')), 'unauthenticated');
    assert.equal(test.published.length, 0);
  });

  it('does not let the holder of one token fill the log', async () => {
    await start();
    const token = await test.token('prod/web');
    for (let i = 0; i < 20; i += 1) await test.connect(token, `prod/orders/${i}`);
    for (let i = 0; i < 20; i += 1) await test.connect(token, `prod/orders/${i}`, `2001:db8:1:2::${i}`);
    const said = test.log.filter((sentence) => sentence.includes('not for this node id'));
    assert.equal(said.length, 2);
  });

  it('tells callers of an endpoint as soon as its sidecar is there, and only those whom it concerns', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const other = await test.connect(await test.token('prod/other'), 'prod/other/a');
    const before = test.count(other);
    await test.connect(await test.token('prod/orders'), 'prod/orders/a', '10.0.0.7');
    await test.clock.advance(10);
    assert.ok(test.resources(web, 'eds').some((text) => text.includes('10.0.0.7')));
    assert.equal(test.count(other), before);
  });

  it('tells callers the address of --address, but no loopback of another host', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const token = await test.token('prod/orders');
    const refused = await test.connect(token, 'prod/orders/a', '10.0.0.7', { 'signet.address': '127.0.0.1' });
    assert.equal(codeOf(refused), 'permission_denied');
    await test.connect(token, 'prod/orders/b', '10.0.0.7', { 'signet.address': '10.0.0.8' });
    await test.connect(token, 'prod/orders/c', '127.0.0.1', { 'signet.address': '127.0.1.2' });
    await test.clock.advance(10);
    const eds = test.resources(web, 'eds').join();
    assert.deepEqual(
      ['127.0.0.1', '10.0.0.7', '10.0.0.8', '127.0.1.2'].map((ip) => eds.includes(ip)),
      [false, false, true, true],
    );
    const shown = test.control.status().sidecars.find(({ node }) => node === 'prod/orders/b');
    assert.deepEqual([shown?.address, shown?.peer], ['10.0.0.8', '10.0.0.7']);
  });

  it('follows a save with those sidecars only whose resources change', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const orders = await test.connect(await test.token('prod/orders'), 'prod/orders/a');
    await test.clock.advance(10);
    const before = [test.count(web), test.count(orders)];
    await test.save(MESH.replace('GET /orders/*', 'GET /invoices/*'));
    assert.deepEqual([test.count(web), test.count(orders)], [before[0], (before[1] ?? 0) + 1]);
    assert.ok(test.resources(orders, 'rds').some((text) => text.includes('/invoices')));
    assert.equal(test.svids.issued.length, 2);
  });

  const MANY = Array.from({ length: 60 }, (_, index) => `c${index}`);
  const BIG = `${MESH}${MANY.map((name) => `      ${name}: { uses: { orders: 9001 } }\n`).join('')}`;
  /** A save that makes another plan for every caller, since their upstream has another port. */
  const MOVED = BIG.replace('8080:3001/http', '8081:3001/http');
  const connectAll = async (): Promise<void> => {
    await start(BIG);
    for (const name of MANY) await test.connect(await test.token(`prod/${name}`), `prod/${name}/a`);
  };

  it('sends a sidecar its own policy before others are told of what they may call', async () => {
    await connectAll();
    const orders = await test.connect(await test.token('prod/orders'), 'prod/orders/a');
    await test.clock.advance(10);
    const from = test.published.length;
    await test.save(MOVED);
    const published = test.published.slice(from).map(({ stream }) => stream);
    assert.equal(published.length, MANY.length + 1);
    assert.equal(published[0], orders);
  });

  it('lets neither a certificate nor an address wait for the end of a large change', async () => {
    await connectAll();
    const last = await test.connect(await test.token('prod/other'), 'prod/other/a');
    await test.connect(await test.token('prod/orders'), 'prod/orders/a', '10.0.0.7');
    await test.clock.advance(10);
    const from = test.published.length;
    const token = await test.token('prod/orders');
    let during: Promise<unknown> | undefined;
    test.onPublished = () => {
      if (test.published.length !== from + 2) return;
      during = Promise.all([test.control.renew('prod/other'), test.connect(token, 'prod/orders/b', '10.0.0.8')]);
    };
    await test.save(MOVED);
    await during;
    await test.clock.advance(10);
    const published = test.published.slice(from);
    const renewed = published.findIndex(({ stream }) => stream === last);
    assert.ok(renewed > 0 && renewed < MANY.length / 6, `${renewed} of ${published.length}`);
    const each = new Set(published.map(({ stream }) => stream));
    assert.equal(each.size, MANY.length + 3);
  });

  it('has all callers told of an address by endpoints alone', async () => {
    await connectAll();
    const callers = test.published.slice(-MANY.length);
    await test.connect(await test.token('prod/orders'), 'prod/orders/a', '10.0.0.7');
    await test.clock.advance(10);
    for (const { stream, snapshot } of callers) {
      const now = test.published.filter((published) => published.stream === stream).at(-1)?.snapshot;
      for (const type of ['cds', 'lds', 'rds', 'sds'] as const)
        assert.equal(now?.get(TYPE[type]), snapshot.get(TYPE[type]));
      assert.notEqual(now?.get(TYPE.eds), snapshot.get(TYPE.eds));
    }
  });

  it('changes nothing for a broken save, and says why', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const before = test.count(web);
    await test.save(MESH.replace('from: web', 'from: wbe'));
    assert.equal(test.count(web), before);
    assert.match(test.control.status().mesh.problem?.message ?? '', /has an error/);
    assert.ok(test.log.some((sentence) => /stays in force/.test(sentence)));
    await test.save(MESH);
    assert.equal(test.control.status().mesh.problem, null);
  });

  it('does not let mesh.trustDomain change under running sidecars', async () => {
    await start();
    await test.save(MESH.replace('shop.example', 'other.example'));
    assert.match(test.control.status().mesh.problem?.message ?? '', /mesh\.trustDomain was shop\.example/);
    assert.equal(test.control.meshState().mesh.trustDomain, 'shop.example');
  });

  it('ends the streams of a service that was removed, and withdraws its endpoints', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const token = await test.token('prod/other');
    const other = await test.connect(token, 'prod/other/a');
    await test.save(MESH.slice(0, MESH.indexOf('      other:')));
    assert.deepEqual(
      test.ended.map(({ stream, refusal }) => [stream, refusal.code]),
      [[other, 'permission_denied']],
    );
    assert.equal(codeOf(await test.connect(token, 'prod/other/a')), 'permission_denied');
    assert.equal(test.control.status().sidecars.length, 1);
    assert.ok(isStream(web));
  });

  it('ends the streams of a revoked token at once, and lets them in no more', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const token = await test.token('prod/orders');
    const orders = await test.connect(token, 'prod/orders/a', '10.0.0.7');
    await test.clock.advance(10);
    assert.ok(test.resources(web, 'eds').some((text) => text.includes('10.0.0.7')));
    const id = token.split('_')[1] ?? '';
    assert.equal(await test.control.revokeToken(id), true);
    await test.clock.advance(10);
    assert.deepEqual(
      test.ended.map(({ stream, refusal }) => [stream, refusal.code]),
      [[orders, 'unauthenticated']],
    );
    assert.ok(!test.resources(web, 'eds').some((text) => text.includes('10.0.0.7')));
    assert.equal(codeOf(await test.connect(token, 'prod/orders/a')), 'unauthenticated');
    assert.equal(await test.control.revokeToken('0000000000000000'), false);
  });

  it('renews a certificate when it is due, and sends only that', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    const first = test.published.at(-1)?.snapshot;
    await test.clock.advance(11 * 3_600_000);
    assert.equal(test.svids.issued.length, 1);
    await test.clock.advance(3.5 * 3_600_000);
    assert.equal(test.svids.issued.length, 2);
    assert.equal(test.count(web), 2);
    const second = test.published.at(-1)?.snapshot;
    for (const type of ['cds', 'eds', 'lds', 'rds'] as const) {
      assert.equal(second?.get(TYPE[type]), first?.get(TYPE[type]), `${type} is the same object`);
    }
  });

  it('notices within 2 s that the wall clock was set forward', async () => {
    await start();
    await test.connect(await test.token('prod/web'), 'prod/web/a');
    test.clock.jump(20 * 3_600_000);
    await test.clock.advance(2_100);
    assert.equal(test.svids.issued.length, 2);
  });

  it('leaves a sidecar what it has while certificates cannot be issued, and tries again', async () => {
    await start();
    const web = await test.connect(await test.token('prod/web'), 'prod/web/a');
    test.svids.failing = true;
    await test.clock.advance(15 * 3_600_000);
    assert.equal(test.count(web), 1);
    assert.equal(test.ended.length, 0);
    test.svids.failing = false;
    await test.clock.advance(300_000);
    assert.equal(test.count(web), 2);
    assert.equal(test.svids.issued.length, 2);
  });

  it('plans again at the moment when a grant ends, without a save', async () => {
    const at = new Date(Date.UTC(2027, 0, 1) + 600_000).toISOString().replace('.000', '');
    const permissive = MESH.replace(
      '8080:3002/http]',
      `8080:3002/http]\n        mtls: { mode: permissive, until: ${at}, then: strict }`,
    );
    await start(permissive);
    const other = await test.connect(await test.token('prod/other'), 'prod/other/a');
    const before = test.count(other);
    await test.clock.advance(599_000);
    assert.equal(test.count(other), before);
    await test.clock.advance(2_000);
    assert.equal(test.count(other), before + 1);
  });

  it('renews on demand for every connected instance of a service', async () => {
    await start();
    const token = await test.token('prod/web');
    const streams = [await test.connect(token, 'prod/web/a'), await test.connect(token, 'prod/web/b')];
    const renewed = await test.control.renew('prod/web');
    await test.clock.advance(10);
    assert.ok(renewed.ok);
    assert.deepEqual(renewed.value.map(({ node }) => node).sort(), ['prod/web/a', 'prod/web/b']);
    for (const stream of streams) assert.equal(test.count(stream), 2);
    assert.equal((await test.control.renew('prod/nobody')).ok, false);
  });

  it('serves two live streams of one node id from two places, and warns of them', async () => {
    await start();
    const token = await test.token('prod/web', 1);
    const first = await test.connect(token, 'prod/web/a', '10.0.0.1');
    const second = await test.connect(token, 'prod/web/a', '10.0.0.2');
    assert.deepEqual([test.count(first), test.count(second)], [1, 1]);
    assert.deepEqual(test.control.status().warnings, [
      'prod/web/a has live streams from 10.0.0.1 and 10.0.0.2 at once',
    ]);
  });

  it('names a refusal with the lines that it comes from', async () => {
    await start();
    const orders = await test.connect(await test.token('prod/orders'), 'prod/orders/a');
    assert.ok(isStream(orders));
    const at = test.clock.now();
    const resources = [{ name: 'inbound/8080', version: 'v' }];
    const error = 'inbound/8080: address already in use';
    test.event({ kind: 'nacked', stream: orders, at, type: TYPE.lds, version: 'v', resources, removed: [], error });
    const shown = test.control.status().sidecars[0]?.types.lds;
    assert.equal(shown?.nacked, 'v');
    assert.match(shown?.error ?? '', /^inbound\/8080: address already in use \(from .*mesh\.yaml:\d+\)$/);
  });

  it('says a NACK once, however often the same sidecar refuses the same', async () => {
    await start();
    const orders = await test.connect(await test.token('prod/orders'), 'prod/orders/a');
    assert.ok(isStream(orders));
    const nack = (version: string): void => {
      const resources = [{ name: 'inbound/8080', version }];
      const at = test.clock.now();
      test.event({ kind: 'nacked', stream: orders, at, type: TYPE.lds, version, resources, removed: [], error: 'no' });
    };
    for (let i = 0; i < 20; i++) nack('v');
    nack('w');
    assert.equal(test.log.filter((sentence) => sentence.startsWith('NACK: ')).length, 2);
    assert.equal(test.pushed.filter((pushed) => pushed === 'lds nacked').length, 21);
  });

  it('counts types that it does not serve under one name', async () => {
    await start();
    const orders = await test.connect(await test.token('prod/orders'), 'prod/orders/a');
    assert.ok(isStream(orders));
    const [at, version, resources, removed] = [test.clock.now(), 'v', [], []];
    for (let i = 0; i < 3; i++) {
      const type = `type.googleapis.com/made.up.T${i}`;
      test.event({ kind: 'acked', stream: orders, at, type, version, taken: new Map(), stillRefused: false });
      test.event({ kind: 'nacked', stream: orders, at, type, version, resources, removed, error: 'no' });
    }
    assert.deepEqual([...new Set(test.pushed)], ['other acked', 'other nacked']);
  });

  it('measures from a save to the last ACK', async () => {
    await start();
    const [orders, web] = [
      await test.connect(await test.token('prod/orders'), 'prod/orders/a'),
      await test.connect(await test.token('prod/web'), 'prod/web/a'),
    ];
    const settled = (stream: Refusal | StreamId, after: number): void => {
      if (!isStream(stream)) throw new Error(stream.message);
      test.event({ kind: 'progress', stream, at: test.clock.now() + after, progress: 'settled', held: new Map() });
    };
    settled(orders, 0);
    settled(web, 0);
    assert.deepEqual(test.converged, []);
    await test.save(MESH.replace('GET /orders/*', 'GET /invoices/*'));
    assert.deepEqual(test.converged, []);
    settled(orders, 5_000);
    assert.equal(test.converged.length, 1);
    assert.ok((test.converged[0] ?? 0) >= 5_000 && (test.converged[0] ?? 0) < 7_000);
  });
});

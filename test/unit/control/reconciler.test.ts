import assert from 'node:assert/strict';
import { Renewals } from '../../../src/control/certificates/renewals.ts';
import { Reconciler } from '../../../src/control/reconciler.ts';
import type { Sidecar } from '../../../src/control/sidecar.ts';
import { NOTHING_REVOKED } from '../../../src/plan/revoked.ts';
import type { StreamId } from '../../../src/xds/server.ts';
import { FakeSvids, TestControl } from '../../support/controlPlane.ts';
import { FakeClock, settle } from '../../support/fakeClock.ts';
import { meshFrom } from '../../support/plans.ts';

const meshOf = (callers: string): string => `mesh: { trustDomain: shop.example }
services:
  web: {}
  ledger: { ports: [7070:3002/http], allow: [${callers}] }
  orders:
    ports: [9090:3001/tcp]
    allow: [{ from: anyone, until: 2027-01-01T01:00:00Z }]
`;

/** Sidecars whose certificates take long, and what happens meanwhile. */
describe('a reconciler at work', () => {
  let test: TestControl;
  beforeEach(async () => {
    test = await TestControl.start(meshOf('orders'));
  });
  afterEach(() => test.close());

  const connect = async (name: string, from: string): Promise<StreamId> => {
    const stream = await test.connect(await test.token(`default/${name}`), `default/${name}/a`, from);
    assert.ok(typeof stream === 'string');
    return stream;
  };
  /** Holds up what is made for a node; the result lets it go on. */
  const hold = (node: string): (() => Promise<void>) => {
    let release = (): void => {};
    test.svids.slow.set(node, new Promise((resolve) => (release = resolve)));
    return async () => {
      test.svids.slow.delete(node);
      release();
      await test.clock.advance(10);
    };
  };

  it('ends a grant in time although others are still in hand', async () => {
    const orders = await connect('orders', '10.0.0.7');
    const before = test.resources(orders, 'lds').join();
    const release = hold('default/web/a');
    await connect('web', '10.0.0.8');
    await test.clock.advance(3_600_000);
    assert.notEqual(test.resources(orders, 'lds').join(), before);
    await release();
  });

  it('ends a grant once more for who came while the clock was set back a little, and gives it to nobody after that', async () => {
    const orders = await connect('orders', '10.0.0.7');
    const open = test.resources(orders, 'lds').join();
    await test.clock.advance(3_600_100);
    const closed = test.resources(orders, 'lds').join();
    assert.notEqual(closed, open);
    test.clock.jump(-900);
    const token = await test.token('default/orders');
    const come = async (node: string): Promise<StreamId> => {
      const stream = await test.connect(token, `default/orders/${node}`, '10.0.0.7');
      assert.ok(typeof stream === 'string');
      return stream;
    };
    const early = await come('b');
    assert.equal(test.resources(early, 'lds').join(), open);
    await test.clock.advance(1_000);
    const late = await come('c');
    assert.equal(test.resources(late, 'lds').join(), closed);
    assert.equal(test.resources(early, 'lds').join(), closed);
  });

  it('tells policies although more wait for a certificate than are in hand at once, as of a signer that is silent', async () => {
    const orders = await connect('orders', '10.0.0.7');
    const before = test.resources(orders, 'lds').join();
    const token = await test.token('default/web', 40);
    const releases: (() => Promise<void>)[] = [];
    for (let at = 0; at < 40; at++) {
      releases.push(hold(`default/web/${at}`));
      assert.equal(typeof (await test.connect(token, `default/web/${at}`, '10.0.0.8')), 'string');
    }
    await test.clock.advance(2_000);
    await test.save(meshOf('orders').replace('anyone', 'web'));
    await test.clock.advance(2_000);
    assert.notEqual(test.resources(orders, 'lds').join(), before);
    for (const release of releases) await release();
    assert.notEqual(test.published.filter(({ stream }) => stream !== orders).length, 0);
  });

  it('tells an address to a sidecar that was in hand when it came, and calls that service from now on', async () => {
    const web = await connect('web', '10.0.0.8');
    const release = hold('default/web/a');
    await test.save(meshOf('orders, web'));
    await connect('ledger', '10.0.0.7');
    await release();
    assert.match(test.resources(web, 'eds').join(), /10\.0\.0\.7/);
  });
});

describe('a storm of pushes that never ends', () => {
  const clock = new FakeClock();
  const svids = new FakeSvids();
  const mesh = meshFrom(meshOf('orders'));
  const [LIFE, WEB, BUSY] = [86_400_000, 'default/web/a', ['default/ledger/a', 'default/ledger/b']] as const;
  /** Of the certificates that went out, in order. */
  const published: (string | undefined)[] = [];
  let storms = true;
  const reconciler: Reconciler = new Reconciler({
    clock,
    mesh: () => mesh,
    endpoints: () => new Map(),
    revoked: () => NOTHING_REVOKED,
    bundle: () => {
      // Whenever one is in hand, both are marked again: somebody more urgent always waits.
      for (const node of storms ? BUSY : []) reconciler.markSecrets(node);
      return { trustDomain: mesh.trustDomain, authorities: ['root'] };
    },
    quarantine: { serve: (_sidecar, emitted) => emitted },
    certificates: new Renewals({
      ...{ clock, svids, behind: () => 0, observer: { renewalFailed: assert.fail } },
      log: { info: assert.fail, warn: assert.fail, error: assert.fail },
    }),
    publish: (stream) => {
      if (stream === WEB) published.push(reconciler.svidOf(stream)?.serial);
    },
    end: assert.fail,
    onReconciled: () => {},
    onFailure: assert.fail,
  });
  const connect = (node: string): void => {
    const service = node.slice(0, node.lastIndexOf('/')) as Sidecar['service'];
    const ref = { service, address: undefined, outbound: { host: '127.0.0.1', port: 15_001 } };
    const nothing = { certificateEnds: undefined, credential: undefined, envoyAdmin: undefined, anchors: undefined };
    const who = { stream: node as StreamId, node, service, ref, token: 't', peer: '127.0.0.1', address: undefined };
    reconciler.add({ ...who, ...nothing, client: 'envoy', connectedSince: clock.now() });
  };
  /** As far as a share of a life. */
  const live = async (from: number, to: number): Promise<void> => {
    clock.stall((to - from) * LIFE);
    await clock.advance(100);
  };
  after(async () => {
    storms = false;
    await reconciler.close();
  });

  it('keeps renewals waiting, but none beyond 80 % of its life', async () => {
    connect(WEB);
    await settle();
    for (const node of BUSY) connect(node);
    await live(0, 0.75);
    assert.deepEqual([published, svids.held(WEB)?.serial], [['1'], '1']);
    await live(0.75, 0.81);
    const newest = svids.held(WEB)?.serial;
    assert.notEqual(newest, '1');
    assert.deepEqual(published, ['1', newest]);
  });

  it('nor a newer certificate that is there and was not sent', async () => {
    const identity = mesh.services.get('default/web')?.identity ?? assert.fail();
    await live(0.81, 1.4);
    await svids.renew(WEB, identity, LIFE, clock.now());
    const newest = svids.held(WEB)?.serial;
    await live(1.4, 1.55);
    assert.notEqual(published.at(-1), newest);
    await live(1.55, 1.65);
    assert.equal(published.at(-1), newest);
  });
});

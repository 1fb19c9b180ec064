import assert from 'node:assert/strict';
import type { StreamId } from '../../../src/xds/server.ts';
import { TestControl } from '../../support/controlPlane.ts';

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

import assert from 'node:assert/strict';
import { RotatingFleet } from '../../support/rotatingFleet.ts';

const WEB = 'prod/web/a';
const ORDERS = 'prod/orders/a';

describe('what a rotation believes', () => {
  let fleet: RotatingFleet;

  beforeEach(async () => {
    fleet = await RotatingFleet.start();
    for (const node of [WEB, ORDERS]) await fleet.connect(node);
  });
  afterEach(() => fleet.loop.close());

  it('asks an Envoy that can be asked what it holds, and believes it more than its ACK', async () => {
    let answer: readonly string[] | undefined = ['old'];
    const asked: string[] = [];
    fleet.askEnvoy = async ({ port }, uri) => {
      asked.push(`${port} ${uri}`);
      return answer;
    };
    await fleet.connect(ORDERS, { envoyAdmin: { host: '127.0.0.1', port: 9901 } });
    await fleet.loop.begin('intermediate', 'a test');
    await fleet.clock.advance(10_000);
    assert.deepEqual(fleet.waiting(), [`${ORDERS} ACKed its certificate, and its Envoy still holds old`]);
    assert.equal(fleet.loop.report().shown, 0);
    assert.equal(asked[0], '9901 spiffe://shop.example/ns/prod/sa/orders');
    answer = ['old', fleet.sidecars.get(ORDERS)?.held?.serial ?? ''];
    await fleet.until('none');
    assert.ok(asked.length < 20, `${asked.length} questions`);
    assert.equal(fleet.loop.report().shown, 1);
    // One that does not answer is believed by its ACK.
    answer = undefined;
    await fleet.loop.begin('intermediate', 'a test');
    await fleet.until('none');
    assert.equal(fleet.loop.report().shown, 0);
  });

  it('waits in retire for a client certificate in files until whoever keeps it fetched the next', async () => {
    const { serial = '' } = fleet.sidecars.get(WEB)?.held ?? {};
    await fleet.connect(WEB, { credential: serial });
    await fleet.loop.begin('root', 'a test');
    await fleet.until('root retire');
    await fleet.clock.advance(10_000);
    assert.deepEqual(fleet.waiting(), [`${WEB} shows Signet a client certificate of the old one`]);
    const svid = fleet.keeper.list().find(({ instance }) => instance === WEB)?.svid ?? assert.fail();
    fleet.loop.fetched(WEB, svid, fleet.authority.trustBundle());
    await fleet.until('none');
  });

  it('waits for a gRPC application until it fetched bundle and certificate', async () => {
    await fleet.connect('prod/app/a', { client: 'grpc' });
    const fetch = async (): Promise<void> => {
      const svid = fleet.keeper.list().find(({ instance }) => instance === 'prod/app/a')?.svid ?? assert.fail();
      fleet.loop.fetched('prod/app/a', svid, fleet.authority.trustBundle());
      await fleet.clock.advance(100);
    };
    await fetch();
    await fleet.loop.begin('root', 'a test');
    await fleet.clock.advance(5_000);
    assert.deepEqual(fleet.waiting(), ['prod/app/a has not ACKed the bundle with the new root']);
    await fetch();
    await fleet.until('root issue');
    await fleet.clock.advance(5_000);
    await fetch();
    await fleet.until('none');
  });
});

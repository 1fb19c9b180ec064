import assert from 'node:assert/strict';
import fc from 'fast-check';
import { RotatingFleet, type TestSidecar, TTL } from '../../support/rotatingFleet.ts';

const WEB = 'prod/web/a';
const ORDERS = 'prod/orders/a';

/** Whatever happens in whatever order, no sidecar refuses another whose certificate lives. */
describe('a rotation, in any order of events', () => {
  const NODES = [WEB, ORDERS, 'prod/ledger/a'] as const;
  const node = fc.constantFrom(...NODES);
  const mood = fc.constantFrom<TestSidecar['mood']>('acks', 'acks', 'deaf', 'mute', 'nacks');
  const event = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant('pass' as const), span: fc.constantFrom(60, 400, 1_100, 5_000, 600_000) }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('turn' as const), node, mood }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('connect' as const, 'disconnect' as const), node }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom('begin' as const, 'abort' as const, 'pause' as const, 'resume' as const),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('restart' as const, 'renew' as const) }) },
  );
  type Happening = typeof event extends fc.Arbitrary<infer E> ? E : never;

  const happen = async (fleet: RotatingFleet, what: Happening): Promise<void> => {
    const may = (act: Promise<void>): Promise<void> =>
      act.catch((error: { code?: string }) => assert.equal(error.code, 'rotation_refused'));
    switch (what.do) {
      case 'pass':
        return fleet.clock.advance(what.span);
      case 'turn':
        return fleet.turn(what.node, what.mood);
      case 'connect':
        return void (await fleet.connect(what.node));
      case 'disconnect':
        return fleet.sidecars.get(what.node)?.stream === undefined ? undefined : fleet.disconnect(what.node);
      case 'begin':
        return may(fleet.loop.begin('root', 'a test'));
      case 'abort':
        return may(fleet.loop.abort('a test'));
      case 'pause':
        return may(fleet.loop.pause());
      case 'resume':
        return may(fleet.loop.resume());
      case 'restart':
        return fleet.restart();
      case 'renew':
        for (const sidecar of fleet.sidecars.values())
          if (sidecar.stream !== undefined) await fleet.connect(sidecar.node);
        return undefined;
    }
  };

  it('costs no call, and ends when everybody answers again', async function () {
    this.timeout(120_000);
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 30 }), async (events) => {
        const fleet = await RotatingFleet.start();
        for (const each of NODES) await fleet.connect(each);
        await fleet.loop.begin('root', 'a test');
        for (const what of events) {
          await happen(fleet, what);
          assert.deepEqual(fleet.refusals(), [], JSON.stringify(what));
        }
        for (const each of NODES) await fleet.connect(each, { mood: 'acks' });
        await fleet.loop.resume().catch(() => {});
        await fleet.until('none', 2 * TTL);
        assert.deepEqual(fleet.refusals(), []);
        await fleet.loop.close();
      }),
      // One that does not come to its end is told with its seed and its events.
      { numRuns: 40, timeout: 10_000 },
    );
  });
});

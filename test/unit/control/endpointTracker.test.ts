import assert from 'node:assert/strict';
import { registeredAddress } from '../../../src/control/address.ts';
import { EndpointTracker } from '../../../src/control/endpointTracker.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const setUp = (store = memoryStore(), clock = new FakeClock()) => {
  const changes: string[] = [];
  const tracker = new EndpointTracker({
    store,
    clock,
    onChange: (services) => changes.push([...services].join()),
    onFailure: (error) => {
      throw error;
    },
  });
  const told = (service: `${string}/${string}` = 'prod/web'): string =>
    (tracker.table().get(service) ?? []).map(({ address }) => address).join(' ');
  const arrive = (n: number): void => tracker.arrived(`s${n}`, `prod/web/${n}`, 'prod/web', `10.0.0.${n}`);
  const leave = (n: number): void => tracker.left(`s${n}`, `prod/web/${n}`);
  return { store, clock, tracker, told, arrive, leave, changes };
};

describe('endpoint tracker', () => {
  it('tells of an instance at once, and withdraws it 3 s after its stream ended', async () => {
    const { clock, told, arrive, leave, changes } = setUp();
    for (const n of [1, 2, 3]) arrive(n);
    assert.equal(told(), '10.0.0.1 10.0.0.2 10.0.0.3');
    await clock.advance(100_000);
    leave(2);
    await clock.advance(2_900);
    assert.equal(told(), '10.0.0.1 10.0.0.2 10.0.0.3');
    await clock.advance(600);
    assert.equal(told(), '10.0.0.1 10.0.0.3');
    assert.equal(changes.length, 4);
  });

  it('withdraws nobody in the first 60 s after a start, also after one that found nothing stored', async () => {
    const { clock, tracker, told, arrive, leave } = setUp();
    for (const n of [1, 2, 3]) arrive(n);
    await clock.advance(1_000);
    leave(2);
    await clock.advance(58_900);
    assert.equal(told(), '10.0.0.1 10.0.0.2 10.0.0.3');
    assert.deepEqual(
      tracker.kept(clock.now()).map(({ node, why }) => [node, why]),
      [['prod/web/2', 'start']],
    );
    await clock.advance(1_000);
    assert.equal(told(), '10.0.0.1 10.0.0.3');
  });

  it('keeps an instance that is back within 3 s, without a word to anybody', async () => {
    const { clock, told, arrive, leave, changes } = setUp();
    for (const n of [1, 2, 3, 4]) arrive(n);
    await clock.advance(100_000);
    const before = changes.length;
    leave(2);
    await clock.advance(2_000);
    arrive(2);
    await clock.advance(60_000);
    assert.equal(told(), '10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4');
    assert.equal(changes.length, before);
  });

  it('never withdraws the last of a service, until another one lives', async () => {
    const { clock, told, arrive, leave } = setUp();
    arrive(1);
    await clock.advance(100_000);
    leave(1);
    await clock.advance(3_600_000);
    assert.equal(told(), '10.0.0.1');
    arrive(2);
    await clock.advance(1_000);
    assert.equal(told(), '10.0.0.2');
  });

  it('withdraws nobody of a crowd, and gives up on them after 10 minutes if others live', async () => {
    const { clock, told, arrive, leave } = setUp();
    for (const n of [1, 2, 3, 4, 5]) arrive(n);
    await clock.advance(100_000);
    leave(1);
    await clock.advance(1_000);
    leave(2);
    await clock.advance(300_000);
    assert.equal(told(), '10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5');
    await clock.advance(310_000);
    assert.equal(told(), '10.0.0.3 10.0.0.4 10.0.0.5');
  });

  it('counts those that were withdrawn already towards the crowd', async () => {
    const { clock, told, arrive, leave } = setUp();
    for (const n of [1, 2, 3]) arrive(n);
    await clock.advance(100_000);
    leave(1);
    await clock.advance(4_000);
    assert.equal(told(), '10.0.0.2 10.0.0.3');
    leave(2);
    await clock.advance(60_000);
    assert.equal(told(), '10.0.0.2 10.0.0.3');
  });

  it('sees a crowd over all services, too', async () => {
    const { clock, tracker, told } = setUp();
    const services = ['prod/a', 'prod/b', 'prod/c'] as const;
    for (const service of services) {
      for (const n of [1, 2, 3, 4]) tracker.arrived(`${service}${n}`, `${service}/${n}`, service, `10.0.0.${n}`);
    }
    await clock.advance(100_000);
    for (const service of services) for (const n of [1, 2]) tracker.left(`${service}${n}`, `${service}/${n}`);
    await clock.advance(60_000);
    for (const service of services) assert.equal(told(service), '10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4');
  });

  it('keeps what is stored over a restart, for 60 s', async () => {
    const first = setUp();
    for (const n of [1, 2, 3, 4]) first.arrive(n);
    await first.clock.advance(1_000);
    first.tracker.close();
    const second = setUp(first.store, first.clock);
    assert.equal(second.told(), '10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4');
    for (const n of [1, 2, 3]) second.arrive(n);
    await first.clock.advance(59_000);
    assert.equal(second.told(), '10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4');
    await first.clock.advance(2_000);
    assert.equal(second.told(), '10.0.0.1 10.0.0.2 10.0.0.3');
    second.tracker.close();
    assert.equal(setUp(first.store, first.clock).told(), '10.0.0.1 10.0.0.2 10.0.0.3');
  });

  it('lets a new instance take the address of one that is away', async () => {
    const { clock, tracker, arrive, leave, told } = setUp();
    for (const n of [1, 2]) arrive(n);
    leave(1);
    tracker.arrived('s9', 'prod/web/9', 'prod/web', '10.0.0.1');
    assert.deepEqual(
      tracker
        .list()
        .map(({ node }) => node)
        .sort(),
      ['prod/web/2', 'prod/web/9'],
    );
    await clock.advance(100_000);
    assert.equal(told(), '10.0.0.1 10.0.0.2');
  });

  it('goes back to the older of two live streams when the newer one ends', () => {
    const { tracker, told } = setUp();
    tracker.arrived('old', 'prod/web/1', 'prod/web', '10.0.0.1');
    tracker.arrived('new', 'prod/web/1', 'prod/web', '10.0.0.2');
    assert.equal(told(), '10.0.0.2');
    tracker.left('new', 'prod/web/1');
    assert.equal(told(), '10.0.0.1');
  });

  it('withdraws at once who was expelled, even the last', () => {
    const { tracker, told, arrive } = setUp();
    arrive(1);
    tracker.expel(['prod/web/1', 'prod/web/unknown']);
    assert.equal(told(), '');
  });
});

describe('registered addresses', () => {
  const cases: readonly (readonly [string | undefined, string, string | undefined])[] = [
    [undefined, '10.1.2.3', '10.1.2.3'],
    [undefined, '::ffff:10.1.2.3', '10.1.2.3'],
    ['10.9.9.9', '10.1.2.3', '10.9.9.9'],
    ['127.0.1.2', '127.0.0.1', '127.0.1.2'],
    ['127.0.1.2', '::1', '127.0.1.2'],
    ['127.0.1.2', '10.1.2.3', undefined],
    ['::1', '10.1.2.3', undefined],
    ['::ffff:127.0.0.1', '10.1.2.3', undefined],
    ['::ffff:7f00:1', '10.1.2.3', undefined],
    ['169.254.1.1', '10.1.2.3', undefined],
    ['fe80::1', 'fd00::1', undefined],
    ['fe80::1%lo', '127.0.0.1', undefined],
    ['224.0.0.1', '127.0.0.1', undefined],
    ['0.0.0.0', '10.1.2.3', undefined],
    ['::', '10.1.2.3', undefined],
    ['ff02::1', '10.1.2.3', undefined],
    ['web.example', '10.1.2.3', undefined],
    ['169.253.255.255', '10.1.2.3', '169.253.255.255'],
    ['169.254.1.1', '127.0.0.1', '169.254.1.1'],
    ['::ffff:a9fe:101', '10.1.2.3', undefined],
    ['0.1.2.3', '127.0.0.1', undefined],
    ['223.255.255.255', '10.1.2.3', '223.255.255.255'],
    ['239.255.255.255', '127.0.0.1', undefined],
    ['::ffff:e000:1', '127.0.0.1', undefined],
    ['240.0.0.1', '10.1.2.3', '240.0.0.1'],
    ['255.255.255.255', '127.0.0.1', undefined],
    ['127.0.1.2', 'no address', undefined],
    ['10.9.9.9', 'no address', '10.9.9.9'],
  ];
  for (const [asked, peer, expected] of cases) {
    it(`${asked ?? 'none'} from ${peer} is ${expected ?? 'refused'}`, () => {
      const result = registeredAddress(asked, peer);
      assert.equal(result.ok ? result.value : undefined, expected);
    });
  }
});

import assert from 'node:assert/strict';
import type { RevocationAnswer } from '../../../../src/control/revocation/answer.ts';
import { reveal } from '../../../../src/lib/secret.ts';
import { TYPE } from '../../../../src/xds/resource.ts';
import type { StreamId } from '../../../../src/xds/server.ts';
import { type MemoryStore, memoryStore } from '../../../fakes/memoryStore.ts';
import { TestControl } from '../../../support/controlPlane.ts';

const MESH = `mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { ports: [8080/http], allow: [debug] }
      debug: {}
      orders: { ports: [8080/http, 9090/tcp], allow: [web] }
      audit: { ports: [8080/http], allow: [debug] }
      files: { identity: store, ports: [8080/http], endpoints: [{ address: 192.0.2.9 }] }
      blobs: { identity: store }
`;
const DAY = 86_400_000;

describe('revocation', () => {
  let test: TestControl;
  let store: MemoryStore;
  let token: string;
  let web: StreamId;
  let orders: StreamId;

  const open = async (service: string, by?: string): Promise<StreamId> => {
    const own = by ?? (await test.token(`${service.split('/').slice(0, 2).join('/')}` as 'prod/web'));
    const stream = await test.connect(own, service);
    return typeof stream === 'string' ? stream : assert.fail(stream.message);
  };
  const revoke = async (what: string, cut = false): Promise<RevocationAnswer> => {
    const done = await test.control.revocation.revoke({ what, cut });
    await test.clock.advance(1);
    return done.ok ? done.value : assert.fail(done.error.message);
  };
  const serialOf = (node: string): string =>
    test.control.certificates.inUse().find((one) => one.node === node)?.serial ?? assert.fail(`${node} has none`);
  const digestOf = (serial: string): string => serial.padStart(64, '0');
  const routes = (stream: StreamId): string => test.resources(stream, 'rds').join();
  const ended = (stream: StreamId): string | undefined => test.ended.find((one) => one.stream === stream)?.refusal.code;
  /** As an Envoy that takes everything, or only what these types hold. */
  const settle = (stream: StreamId, types = Object.values(TYPE)): void => {
    const last = test.published.filter((one) => one.stream === stream).at(-1)?.snapshot;
    const held = new Map(
      types.map((url) => [url, new Map([...(last?.get(url) ?? [])].map(([name, { version }]) => [name, version]))]),
    );
    const progress = types.length === Object.values(TYPE).length ? 'settled' : 'refused';
    test.event({ kind: 'progress', stream, at: test.clock.now(), progress, held });
  };

  beforeEach(async () => {
    store = memoryStore();
    test = await TestControl.start(MESH, store);
    token = await test.token('prod/web');
    web = await open('prod/web/1', token);
    orders = await open('prod/orders/1');
    await test.clock.advance(1_000);
  });
  afterEach(() => test.close());

  it('is listed by the name that it was issued under', async () => {
    const id = 'spiffe://old.example/ns/prod/sa/web';
    const live = test.svids.live;
    Object.assign(test.svids, {
      live: (now: number) => live(now).map((one) => (one.instance === 'prod/web/1' ? { ...one, id } : one)),
    });
    const [listed] = test.control.certificates.live().live.filter(({ node }) => node === 'prod/web/1');
    assert.equal(listed?.id, id);
  });

  it('is seen in the list of all certificates, also once its instance is back, as are those of forgotten instances', async () => {
    const serial = serialOf('prod/web/1');
    const [gone] = await Promise.all([open('prod/orders/2'), revoke(serial)]);
    test.event({ kind: 'closed', stream: gone, at: test.clock.now() });
    await test.svids.forget('prod/orders/2');
    const listed = () =>
      test.control.certificates
        .live()
        .live.map(({ node, state }) => `${node} ${state}`)
        .sort();
    assert.deepEqual(listed(), ['prod/orders/1 sent', 'prod/orders/2 away', 'prod/web/1 revoked']);
    await open('prod/web/1', await test.token('prod/web'));
    await test.clock.advance(1_000);
    assert.deepEqual(listed(), ['prod/orders/1 sent', 'prod/orders/2 away', 'prod/web/1 revoked', 'prod/web/1 sent']);
  });

  it('ends the streams of the instance, withdraws it although it is the last, and tells its servers alone', async () => {
    const debug = await open('prod/debug/1');
    const audit = await open('prod/audit/1');
    const other = await open('prod/web/2', token);
    const serial = serialOf('prod/web/1');
    const twin = digestOf(serialOf('prod/web/2'));
    const counts = [test.count(audit), test.count(debug)] as const;
    const answer = await revoke(serial);
    assert.deepEqual([ended(web), ended(other)], ['unauthenticated', undefined]);
    assert.ok(routes(orders).includes(digestOf(serial)));
    assert.ok(test.resources(orders, 'lds').join().includes(digestOf(serial)));
    assert.ok(!routes(orders).includes(twin));
    assert.deepEqual([test.count(audit) - counts[0], test.count(debug) - counts[1] <= 1], [0, true]);
    assert.deepEqual(
      answer.certificates.map(({ node }) => node),
      ['prod/web/1'],
    );
    test.event({ kind: 'closed', stream: other, at: test.clock.now() });
    await revoke(digestOf(serialOfIssued('prod/web/2')).replace(/^0+/, ''));
    assert.deepEqual(
      test.control.status().away.map(({ node }) => node),
      [],
    );
  });
  const serialOfIssued = (node: string): string =>
    test.svids.live(test.clock.now()).find(({ instance }) => instance === node)?.serial ?? assert.fail();

  it('keeps the instance out by its old token, not others, and lets it back by one that is made after', async () => {
    const serial = serialOf('prod/web/1');
    await revoke(serial);
    assert.deepEqual(await test.connect(token, 'prod/web/1'), {
      code: 'unauthenticated',
      message: 'this credential does not admit this sidecar: ask for a new one with `signet bootstrap`',
    });
    await open('prod/web/2', token);
    await test.clock.advance(1_000);
    await open('prod/web/1', await test.token('prod/web'));
    assert.notEqual(serialOf('prod/web/1'), serial);
    assert.ok(routes(orders).includes(digestOf(serial)));
    assert.ok(!routes(orders).includes(digestOf(serialOf('prod/web/1'))));
  });

  it('keeps the instance out for as long as there is a token from before, also when it is forgotten', async () => {
    const made = await test.control.createToken('prod/web', 20 * DAY, 10);
    const lasting = made.ok ? reveal(made.value.token) : assert.fail();
    await open('prod/web/3', lasting);
    await revoke(serialOf('prod/web/3'));
    const days = async (count: number): Promise<void> => {
      for (let day = 0; day < count; day++) {
        test.clock.stall(DAY);
        await test.clock.advance(3_700_000);
      }
    };
    await days(9);
    assert.equal(
      test.control.tokens.claims().some(({ node }) => node === 'prod/web/3'),
      false,
    );
    assert.notEqual(typeof (await test.connect(lasting, 'prod/web/3')), 'string');
    await open('prod/web/4', await test.token('prod/web'));
    assert.equal(store.list('barred/').length, 1);
    test.event({ kind: 'closed', stream: web, at: test.clock.now() });
    await days(30);
    assert.deepEqual(store.list('barred/'), []);
  });

  it('does nothing before it is kept, and says so', async () => {
    store.broken = true;
    await assert.rejects(test.control.revocation.revoke({ what: serialOf('prod/web/1') }), /the disk refuses/);
    assert.equal(ended(web), undefined);
    assert.ok(!routes(orders).includes(digestOf(serialOf('prod/web/1'))));
    store.broken = false;
    await revoke(serialOf('prod/web/1'));
    assert.equal(ended(web), 'unauthenticated');
  });

  it('is kept in one commit, with all that lets the instance be found or let in', async () => {
    const commits: (readonly string[])[] = [];
    const { commit } = store;
    store.commit = async (writes) => {
      commits.push(writes.map(({ key }) => key));
      await commit(writes);
    };
    const { act } = await revoke('prod/web');
    store.commit = commit;
    const [first = []] = commits;
    const id = token.split('_')[1];
    for (const key of [`revocation/${act}`, `token/${id}`, 'barred/prod/web/1', 'endpoint/prod/web/1'])
      assert.ok(first.includes(key), key);
  });

  it('is in force after a restart, before any sidecar is served', async () => {
    const serial = serialOf('prod/web/1');
    await revoke('prod/web');
    const { clock } = test;
    await test.close();
    test = await TestControl.start(MESH, store, clock);
    assert.ok(routes(await open('prod/orders/2')).includes(digestOf(serial)));
    assert.notEqual(typeof (await test.connect(token, 'prod/web/1')), 'string');
    assert.equal(
      test.control.revocation.revocations.revocationOf(serial)?.what,
      'spiffe://shop.example/ns/prod/sa/web',
    );
  });

  it('of an identity takes the tokens of every service that has it, used or not, and names them', async () => {
    const spare = await test.token('prod/blobs');
    const files = await open('prod/files/1');
    const answer = await revoke('prod/store');
    assert.deepEqual(answer.services, ['prod/blobs', 'prod/files']);
    assert.equal(answer.tokens.length, 2);
    assert.deepEqual(answer.fixedEndpoints, [{ service: 'prod/files', line: `${test.file}:9` }]);
    assert.equal(ended(files), 'unauthenticated');
    assert.notEqual(typeof (await test.connect(spare, 'prod/blobs/1')), 'string');
    const again = await test.control.revocation.revoke({ what: 'prod/store' });
    assert.equal(again.ok || again.error.code, 'nothing_to_revoke');
    await test.clock.advance(1_000);
    await open('prod/blobs/1');
  });

  it('is refused everywhere once each sidecar took the list, whatever else it refuses', async () => {
    const answer = await revoke(serialOf('prod/web/1'));
    const state = () => test.control.revocation.answer(answer.act ?? '')?.refusing;
    assert.deepEqual([state()?.by, state()?.of], [0, 1]);
    settle(orders, [TYPE.cds, TYPE.rds]);
    assert.deepEqual(state()?.waiting, [{ node: 'prod/orders/1', why: 'refused' }]);
    settle(orders, [TYPE.cds, TYPE.rds, TYPE.lds]);
    assert.deepEqual([state()?.by, state()?.of], [1, 1]);
    assert.ok(test.log.includes('refused everywhere: 1/1'));
    const late = await open('prod/orders/2');
    assert.deepEqual([state()?.by, state()?.of], [1, 2]);
    settle(late);
    assert.deepEqual([state()?.by, state()?.of], [2, 2]);
    test.event({ kind: 'closed', stream: late, at: test.clock.now() });
    assert.deepEqual([state()?.by, state()?.of, state()?.away.map(({ node }) => node)], [1, 1, ['prod/orders/2']]);
  });

  it('a second time is the same one, and may cut then', async () => {
    const serial = serialOf('prod/web/1');
    const first = await revoke(serial);
    const chains = test.resources(orders, 'lds').join();
    const second = await revoke(serial, true);
    assert.equal(second.act, first.act);
    assert.notEqual(test.resources(orders, 'lds').join(), chains);
    assert.deepEqual(
      second.ends.map(({ port, callers }) => `${port} ${callers.join()}`),
      ['prod/orders:8080 prod/web', 'prod/orders:9090 prod/web'],
    );
    assert.deepEqual(
      first.ends.map(({ port }) => port),
      ['prod/orders:9090'],
    );
  });

  it('leaves the lists and the store by itself; a cut stays, for its end would be another', async () => {
    const serial = serialOf('prod/web/1');
    await revoke(serial, true);
    const chains = test.resources(orders, 'lds').filter((text) => text.includes('inbound/8080'));
    await test.clock.skip(2 * DAY);
    assert.ok(routes(orders).includes(digestOf(serial)));
    assert.equal(store.list('revocation/').length, 1);
    await test.clock.skip(3_600_000);
    assert.ok(!routes(orders).includes(digestOf(serial)));
    assert.deepEqual(test.control.status().revocations, []);
    assert.deepEqual(store.list('revocation/'), []);
    assert.deepEqual(
      test.resources(orders, 'lds').filter((text) => text.includes('inbound/8080')),
      chains,
    );
  });

  it('outlives a wall clock that is wrong by a month for an hour, also over a restart in the middle of it', async () => {
    const serial = serialOf('prod/web/1');
    await revoke(serial);
    const kept = (): readonly number[] =>
      ['revocation/', 'token/', 'barred/'].map((prefix) => store.list(prefix).length);
    const [revocations, tokens = 0, bars] = kept();
    test.clock.jump(30 * DAY);
    await test.clock.advance(3_700_000);
    assert.ok(routes(orders).includes(digestOf(serial)));
    assert.equal(test.control.status().revocations.length, 1);
    await test.close();
    test = await TestControl.start(MESH, store, test.clock);
    const then = await open('prod/orders/3');
    await test.clock.advance(3_700_000);
    assert.ok(routes(then).includes(digestOf(serial)));
    test.clock.jump(-30 * DAY);
    await test.clock.advance(3_700_000);
    assert.deepEqual(kept(), [revocations, tokens + 1, bars]);
    const again = await open('prod/orders/2');
    await test.clock.advance(1);
    assert.ok(routes(again).includes(digestOf(serial)));
  });

  it('finds and bars what was issued before the wall clock went wrong', async () => {
    await test.clock.skip(1.1 * DAY);
    const before = serialOf('prod/web/1');
    test.event({ kind: 'closed', stream: web, at: test.clock.now() });
    test.clock.jump(30 * DAY);
    await test.clock.advance(60_000);
    const { certificates } = await revoke(before);
    assert.ok(certificates.some(({ serial }) => serial === before));
    assert.ok(routes(orders).includes(digestOf(before)));
    test.clock.jump(-30 * DAY);
    await test.clock.advance(60_000);
    assert.ok(routes(orders).includes(digestOf(before)));
    assert.equal(typeof (await test.connect(token, 'prod/web/1')), 'object');
  });

  it('keeps old tokens out and lets new ones in, whatever the clock said when they and the bar were made', async () => {
    test.clock.jump(DAY / 2);
    const ahead = await test.token('prod/web');
    await open('prod/web/2', ahead);
    test.clock.jump(-DAY / 2);
    await test.clock.advance(1_000);
    await revoke(serialOf('prod/web/2'));
    assert.equal(typeof (await test.connect(ahead, 'prod/web/2')), 'object');
    assert.equal(typeof (await test.connect(await test.token('prod/web'), 'prod/web/2')), 'string');
    test.clock.jump(30 * DAY);
    await test.clock.advance(60_000);
    await revoke('prod/web');
    test.clock.jump(-30 * DAY);
    await test.clock.advance(60_000);
    assert.equal(typeof (await test.connect(ahead, 'prod/web/2')), 'object');
    await open('prod/web/2');
  });

  it('of an identity takes the tokens of a service that is gone from the mesh, and may come back to it', async () => {
    await test.save(MESH.replace(/ {6}web: .*\n/, '').replaceAll('[web]', '[debug]'));
    const { tokens } = await revoke('prod/web');
    assert.deepEqual(tokens, [token.split('_')[1]]);
    await test.save(MESH);
    assert.equal(typeof (await test.connect(token, 'prod/web/9')), 'object');
  });

  it('warns of a token that lets more instances join', async () => {
    const { openTokens } = await revoke(serialOf('prod/web/1'));
    assert.deepEqual(openTokens, [{ id: token.split('_')[1], service: 'prod/web' }]);
  });

  it('does not warn of a token that goes with its identity', () => {
    const plan = test.control.revocation.preview({ what: 'prod/web' });
    assert.ok(plan.ok);
    assert.deepEqual([plan.value.tokens, plan.value.openTokens], [[token.split('_')[1]], []]);
  });
});

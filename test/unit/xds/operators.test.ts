import assert from 'node:assert/strict';
import {
  encodeQuestion,
  encodeStatusRequest,
  FETCH,
  REFLECT,
  REFLECT_OLD,
  STREAM,
  statusOf,
} from '../../support/operatorClient.ts';
import { ADMIN, DENIED, JOIN, type OperatorsWorld, startOperatorsWorld } from './operatorsWorld.ts';

const METHODS = [FETCH, STREAM, REFLECT, REFLECT_OLD];

describe('those who look in without being sidecars', function () {
  this.timeout(15_000);
  let world: OperatorsWorld;

  beforeEach(async () => {
    world = await startOperatorsWorld();
  });
  afterEach(() => world.close());

  const good = (method: string): Buffer =>
    method === FETCH || method === STREAM ? encodeStatusRequest({}) : encodeQuestion({ list_services: '' });

  it('are UNAUTHENTICATED without exactly the admin token, whatever else they have, before their message is read', async () => {
    const wrong = [
      ['Bearer wrong'],
      [`Bearer ${JOIN}`],
      [`bearer ${ADMIN}`],
      [ADMIN],
      [`Bearer ${ADMIN}x`],
      [`Bearer ${ADMIN.slice(0, -1)}`],
      ['Bearer '],
      [''],
    ];
    for (const method of METHODS) {
      for (const authorization of wrong) {
        const operator = world.operator(...authorization);
        assert.equal(await statusOf(operator.call(method, [good(method)])), DENIED, `${method} ${authorization}`);
      }
      // Garbage gets the same words: nothing was parsed.
      assert.equal(await statusOf(world.operator(...(wrong[0] ?? [])).call(method, [Buffer.from([0xff])])), DENIED);
      assert.equal(await statusOf(world.operator().call(method, [good(method)])), 'OK');
    }
    assert.deepEqual(new Set(world.events.map(({ kind }) => kind)), new Set(['refused']));
  });

  it('are refused before they sent anything', async () => {
    for (const method of METHODS) assert.equal(await statusOf(world.operator('Bearer wrong').call(method, [])), DENIED);
  });

  it('are no sidecars: the admin token opens no discovery stream, and what they do is no event', async () => {
    const admin = world.operator();
    for (const method of METHODS) await admin.call(method, [good(method)]);
    await admin.hold(STREAM, good(STREAM));
    assert.deepEqual(world.events, []);
    const asSidecar = admin.call('envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources', []);
    assert.equal(await statusOf(asSidecar), 'UNAUTHENTICATED no such token');
  });

  it('have eight calls at once on a connection, and make room when they end one', async () => {
    const admin = world.operator();
    for (let i = 0; i < 8; i += 1) await admin.hold(REFLECT, good(REFLECT));
    assert.equal(
      await statusOf(admin.call(FETCH, [good(FETCH)])),
      'RESOURCE_EXHAUSTED 8 such calls are open on this connection',
    );
    assert.equal(await statusOf(world.operator().call(FETCH, [good(FETCH)])), 'OK');
    const other = world.operator();
    for (let i = 0; i < 20; i += 1) await other.call(FETCH, [good(FETCH)]);
  });

  it('do not keep the server from closing', async () => {
    const held = world.operator();
    await held.hold(STREAM, good(STREAM));
    const began = Date.now();
    await world.server.close(5_000);
    assert.ok(Date.now() - began < 2_000);
  });
});

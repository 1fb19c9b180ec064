import assert from 'node:assert/strict';
import { urgencies } from '../../../src/control/urgency.ts';
import { type Urgency, type Work, WorkQueue } from '../../../src/control/workQueue.ts';
import type { StreamId } from '../../../src/xds/events.ts';
import { meshFrom } from '../../support/plans.ts';

const work = (stream: string, urgency: Urgency, plan = true): Work => ({ stream: stream as StreamId, urgency, plan });

describe('the queue of sidecars', () => {
  const drain = (queue: WorkQueue): readonly string[] => {
    const order: string[] = [];
    for (let next = queue.take(); next !== undefined; next = queue.take()) order.push(next.stream);
    return order;
  };

  it('gives security first, then endpoints, then the rest, each in the order they came', () => {
    const queue = new WorkQueue();
    for (const one of [work('a', 'rest'), work('b', 'endpoints'), work('c', 'security'), work('d', 'rest')])
      queue.add(one);
    for (const one of [work('e', 'security'), work('f', 'endpoints')]) queue.add(one);
    assert.deepEqual(drain(queue), ['c', 'e', 'b', 'f', 'a', 'd']);
  });

  it('holds each sidecar once, as urgent as its most urgent reason, and planned if any reason asks for it', () => {
    const queue = new WorkQueue();
    for (const one of [work('a', 'rest'), work('b', 'rest'), work('b', 'security', false), work('b', 'rest', false)])
      queue.add(one);
    assert.equal(queue.size, 2);
    assert.deepEqual(queue.take(), work('b', 'security'));
    assert.deepEqual(queue.take(), work('a', 'rest'));
  });

  it('gives nobody twice at once: what came meanwhile comes after', () => {
    const queue = new WorkQueue();
    queue.add(work('a', 'rest'));
    queue.take();
    queue.add(work('a', 'security'));
    queue.add(work('b', 'rest'));
    assert.deepEqual(drain(queue), ['b']);
    queue.done('a' as StreamId);
    assert.deepEqual(drain(queue), ['a']);
  });

  it('tells a push that could be taken from renewals, and from what is in hand', () => {
    const queue = new WorkQueue();
    queue.add(work('a', 'renewal', false));
    assert.equal(queue.hasPush(), false);
    queue.add(work('b', 'rest'));
    assert.equal(queue.hasPush(), true);
    queue.take();
    queue.add(work('b', 'security'));
    assert.equal(queue.hasPush(), false, 'who waits for a slow signer keeps no renewal waiting');
    queue.done('b' as StreamId);
    assert.equal(queue.hasPush(), true);
  });
});

describe('how urgent a change is', () => {
  const MESH = `mesh: { trustDomain: shop.example }
services:
  web:
    ports: [8080:3000/http]
    uses: [orders]
  orders:
    ports: [8080:3001/http]
    allow:
      - { from: web, to: GET /orders, until: 2027-06-30T00:00:00Z }
  ledger:
    ports: [9090:3002/tcp]
    mtls: { mode: permissive, until: 2027-06-30T00:00:00Z, then: strict }
`;
  const UNTIL = Date.UTC(2027, 5, 30);
  const NOW = Date.UTC(2027, 0, 1);
  const before = meshFrom(MESH);
  const changed = (text: string, name: string, from = NOW, to = NOW): Urgency =>
    urgencies(meshFrom(text), to)(before.services.get(`default/${name}`), from);

  it('is security where rules, mTLS, ports or the identity are others, and for the sidecar itself alone', () => {
    for (const [name, text] of [
      ['orders', MESH.replace('GET /orders', 'GET /other')],
      ['orders', MESH.replace('8080:3001', '8080:3009')],
      ['orders', MESH.replace('  orders:\n', '  orders:\n    identity: shop\n').replace('from: web', 'from: web')],
      ['ledger', MESH.replace(/mtls: \{ mode.*/, 'mtls: strict')],
    ] as const) {
      assert.equal(changed(text, name), 'security', text);
      assert.equal(changed(text, 'web'), 'rest', text);
    }
    assert.equal(changed(MESH.slice(0, MESH.indexOf('  ledger')), 'ledger'), 'security');
  });

  it('is no hurry where only lines moved, or its own calls are others', () => {
    assert.equal(changed(`# a new line\n${MESH}`, 'orders'), 'rest');
    assert.equal(changed(MESH.replace('uses: [orders]', 'uses: { orders: 9001 }'), 'web'), 'rest');
  });

  it('is security where time changed what the sidecar enforces, forwards and back', () => {
    for (const name of ['orders', 'ledger']) {
      assert.equal(changed(MESH, name, UNTIL - 1, UNTIL), 'security');
      assert.equal(changed(MESH, name, UNTIL, UNTIL - 1), 'security');
      assert.equal(changed(MESH, name, NOW, UNTIL - 1), 'rest');
    }
    assert.equal(changed(MESH, 'web', NOW, UNTIL), 'rest');
  });
});

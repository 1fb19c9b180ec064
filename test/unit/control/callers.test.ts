import assert from 'node:assert/strict';
import { Callers } from '../../../src/control/callers.ts';
import type { ServiceKey } from '../../../src/model/mesh.ts';
import type { StreamId } from '../../../src/xds/events.ts';

const upstreams = (...services: readonly string[]) => new Map(services.map((one) => [one as ServiceKey, undefined]));
const [web, shop] = ['web' as StreamId, 'shop' as StreamId];

describe('who calls whom', () => {
  const of = (callers: Callers, ...services: readonly string[]): readonly string[] =>
    [...callers.of(services as readonly ServiceKey[])].sort();

  it('names each caller of some services once, and nobody else', () => {
    const callers = new Callers();
    callers.set(web, upstreams('a/orders', 'a/payments'));
    callers.set(shop, upstreams('a/payments'));
    assert.deepEqual(of(callers, 'a/orders', 'a/payments'), ['shop', 'web']);
    assert.deepEqual(of(callers, 'a/orders'), ['web']);
    assert.deepEqual(of(callers, 'a/ledger'), []);
  });

  it('goes by the newest plan of each, and forgets who is gone', () => {
    const callers = new Callers();
    callers.set(web, upstreams('a/orders'));
    callers.set(web, upstreams('a/payments'));
    assert.deepEqual(of(callers, 'a/orders'), []);
    assert.deepEqual(of(callers, 'a/payments'), ['web']);
    callers.remove(web);
    assert.deepEqual(of(callers, 'a/payments'), []);
  });
});

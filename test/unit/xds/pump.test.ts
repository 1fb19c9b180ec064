import assert from 'node:assert/strict';
import { newPump, type Pump } from '../../../src/xds/pump.ts';
import { type Snapshot, TYPE } from '../../../src/xds/resource.ts';
import { newTurnstile } from '../../../src/xds/turnstile.ts';

const snapshotOf = (version: string): Snapshot =>
  new Map([[TYPE.cds, new Map([['a', { name: 'a', version, any: Buffer.from(version) }]])]]);

describe('the pump of a stream', () => {
  it('writes nothing to a stream that ends while it is told of an ACK, and keeps no other from writing', () => {
    const turnstile = newTurnstile([{ upTo: 1_000, writes: 1 }], 60_000);
    const [told, writes]: [string[], (() => void)[]] = [[], []];
    const pump: Pump = newPump({
      variant: 'delta',
      noncePrefix: 'x-',
      turnstile,
      holdFor: 60_000,
      overrun: assert.fail,
      write: (_, written) => writes.push(written),
      tell: ({ kind }) => {
        told.push(kind);
        if (kind === 'acked') pump.stop();
      },
    });
    const said = { variant: 'delta', kind: 'request', type: TYPE.cds, error: undefined } as const;
    const names = { subscribe: [], unsubscribe: [], initialResourceVersions: new Map() };
    pump.step({ kind: 'published', snapshot: snapshotOf('1') });
    pump.step({ ...said, ...names, nonce: '' });
    writes[0]?.();
    pump.step({ kind: 'published', snapshot: snapshotOf('2') });
    pump.step({ ...said, ...names, nonce: 'x-1' });
    assert.equal(writes.length, 1);
    assert.equal(told.at(-1), 'acked');
    let passed = false;
    turnstile.enter(1, () => {
      passed = true;
    });
    assert.ok(passed);
  });
});

import assert from 'node:assert/strict';
import type { Happening, StreamId } from '../../../src/xds/events.ts';
import { afterEvent, allAcked, type SidecarRecord, waitingFor } from '../../../src/xds/ledger.ts';
import { TYPE, type TypeUrl } from '../../../src/xds/resource.ts';

const stream = 's-1' as StreamId;
const node = { id: 'prod/web/1', cluster: '', metadata: {}, userAgent: 'envoy/1.40.0' };
const peer = { address: '127.0.0.1', port: 4711 };

const opened: Happening = { kind: 'opened', node, peer, only: undefined };
const asked = (type: TypeUrl): Happening => ({ kind: 'asked', type });
const sent = (version: string): Happening => ({
  kind: 'sent',
  type: TYPE.cds,
  version,
  resources: [],
  removed: [],
  bytes: 1,
});
const acked = (version: string, stillRefused = false): Happening => ({
  kind: 'acked',
  type: TYPE.cds,
  version,
  taken: new Map(),
  stillRefused,
});
const nacked = (version: string): Happening => ({
  kind: 'nacked',
  type: TYPE.cds,
  version,
  resources: [{ name: 'a', version: '1' }],
  removed: [],
  error: 'no',
});
const progress = (p: 'pending' | 'settled' | 'refused'): Happening => ({
  kind: 'progress',
  progress: p,
  held: new Map(),
});

/** The record after these events, a second apart. */
const recordOf = (...happenings: readonly Happening[]): SidecarRecord | undefined =>
  happenings.reduce<SidecarRecord | undefined>(
    (record, happening, i) => afterEvent(record, { ...happening, stream, at: i * 1000 }),
    undefined,
  );

describe('the ACK ledger', () => {
  it('holds what was sent and acked of each type, and when', () => {
    const record = recordOf(opened, sent('v1'), acked('v1'), sent('v2'));
    assert.deepEqual(record?.types.get(TYPE.cds), {
      sent: { version: 'v2', at: 3000 },
      acked: { version: 'v1', at: 2000 },
      nacked: undefined,
    });
    assert.equal(record?.connectedSince, 0);
  });

  it('holds a refusal with its reason until other content was taken in its place', () => {
    const refused = recordOf(opened, sent('v1'), acked('v1'), sent('v2'), nacked('v2'));
    assert.equal(refused?.types.get(TYPE.cds)?.nacked?.error, 'no');
    assert.equal(refused?.types.get(TYPE.cds)?.acked?.version, 'v1');
    const elsewhere = recordOf(opened, sent('v2'), nacked('v2'), sent('v3'), acked('v3', true));
    assert.equal(elsewhere?.types.get(TYPE.cds)?.nacked?.version, 'v2');
    const mended = recordOf(opened, sent('v2'), nacked('v2'), sent('v3'), acked('v3'));
    assert.equal(mended?.types.get(TYPE.cds)?.nacked, undefined);
  });

  it('forgets a sidecar that went, and knows none that was never opened', () => {
    assert.equal(recordOf(opened, sent('v1'), { kind: 'closed' }), undefined);
    assert.equal(recordOf({ kind: 'refused', peer, refusal: { code: 'unauthenticated', message: 'no' } }), undefined);
  });

  it('counts a sidecar as waited for until it settled, and a refusal as more than slow', () => {
    const of = (...h: readonly Happening[]): readonly SidecarRecord[] => [recordOf(opened, ...h) as SidecarRecord];
    assert.ok(allAcked([]));
    assert.ok(!allAcked(of()));
    const one = { ...opened, only: TYPE.cds };
    assert.deepEqual(waitingFor([recordOf(one, sent('v1')) as SidecarRecord]), [
      { stream, node: 'prod/web/1', since: 0, why: 'pending', types: ['cds'] },
    ]);
    assert.ok(allAcked([recordOf(one, sent('v1'), acked('v1'), progress('settled')) as SidecarRecord]));
    assert.ok(!allAcked(of(asked(TYPE.lds), sent('v1'), acked('v1'), progress('settled'), progress('pending'))));
    const refused = waitingFor(of(sent('v1'), nacked('v1'), progress('refused')));
    assert.deepEqual(refused, [{ stream, node: 'prod/web/1', since: 3000, why: 'refused', types: ['cds'] }]);
  });

  it('waits for a sidecar that took its clusters and has still to ask for listeners; what it held is enough then', () => {
    const warming = [asked(TYPE.cds), sent('v1'), acked('v1'), progress('settled')];
    const record = recordOf(opened, ...warming) as SidecarRecord;
    assert.deepEqual(waitingFor([record]), [{ stream, node: 'prod/web/1', since: 0, why: 'pending', types: ['lds'] }]);
    const warm = recordOf(opened, ...warming, asked(TYPE.lds)) as SidecarRecord;
    assert.deepEqual([warm.progress, warm.progressSince], ['settled', 5_000]);
    const taking = recordOf(opened, ...warming, asked(TYPE.lds), progress('pending')) as SidecarRecord;
    assert.equal(taking.progress, 'pending');
    assert.ok(allAcked([recordOf(opened, asked(TYPE.lds), progress('settled')) as SidecarRecord]), 'a gRPC client');
  });
});

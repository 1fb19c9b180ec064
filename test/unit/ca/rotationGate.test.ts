import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { gateOf, type Rotation, type SidecarFacts } from '../../../src/ca/rotation.ts';
import { HOUR, NOW } from './support.ts';

const plan: Rotation = {
  id: '1',
  kind: 'root',
  step: 'distribute',
  startedAt: NOW,
  stepSince: NOW,
  paused: false,
  reason: 'a test',
  from: 'old',
  to: 'new',
};
const sidecar = (node: string, change: Partial<SidecarFacts> = {}): SidecarFacts => ({
  node,
  connected: true,
  trusts: new Set(['old', 'new']),
  holds: { root: 'new', intermediate: 'i-new', notAfter: NOW + HOUR },
  ...change,
});
const holdsOld = { holds: { root: 'old', intermediate: 'i-old', notAfter: NOW + HOUR } };
const away = { connected: false };
const waiting = (rotation: Rotation, sidecars: readonly SidecarFacts[], now = NOW): readonly string[] =>
  gateOf(rotation, sidecars, now).waitingFor.map(({ node }) => node);

describe('the gates of a rotation', () => {
  it('open when nobody is left, and not while paused', () => {
    for (const step of ['distribute', 'issue', 'retire'] as const) {
      assert.deepEqual(gateOf({ ...plan, step }, [sidecar('a')], NOW), { open: true, waitingFor: [] });
      assert.equal(gateOf({ ...plan, step, paused: true }, [sidecar('a')], NOW).open, false);
    }
  });

  it('distribute: wait for every sidecar that is connected or has a live certificate, to ACK the new root', () => {
    const untrusting = { trusts: new Set(['old']) };
    const sidecars = [
      sidecar('ok'),
      sidecar('connected', { ...untrusting, holds: undefined }),
      sidecar('away', { ...untrusting, ...away }),
      sidecar('expired', { ...untrusting, ...away, holds: { ...holdsOld.holds, notAfter: NOW } }),
      sidecar('never', { ...untrusting, ...away, holds: undefined }),
    ];
    const { open, waitingFor } = gateOf(plan, sidecars, NOW);
    assert.equal(open, false);
    assert.deepEqual(waitingFor, [
      { node: 'connected', why: 'has not ACKed the bundle with the new root', until: undefined },
      { node: 'away', why: 'has not ACKed the bundle with the new root and is away', until: NOW + HOUR },
    ]);
    assert.deepEqual(waiting(plan, sidecars, NOW + HOUR), ['connected']);
  });

  it('issue: wait for the connected ones only; retire: for those who are away too, until their certificates end', () => {
    const sidecars = [sidecar('ok'), sidecar('old', holdsOld), sidecar('away', { ...holdsOld, ...away })];
    assert.deepEqual(waiting({ ...plan, step: 'issue' }, sidecars), ['old']);
    assert.deepEqual(waiting({ ...plan, step: 'retire' }, sidecars), ['old', 'away']);
    assert.deepEqual(waiting({ ...plan, step: 'retire' }, sidecars, NOW + HOUR), ['old']);
  });

  it('a compromised root waits for nobody who is away', () => {
    const sidecars = [sidecar('away', { ...holdsOld, ...away, trusts: new Set() })];
    for (const step of ['distribute', 'issue', 'retire'] as const)
      assert.deepEqual(waiting({ ...plan, kind: 'compromise', step }, sidecars), []);
  });

  it('an intermediate is told by its own serial, not by its root', () => {
    const rotation: Rotation = { ...plan, kind: 'intermediate', step: 'issue', from: 'i-old', to: 'i-new' };
    assert.deepEqual(waiting(rotation, [sidecar('new'), sidecar('old', holdsOld)]), ['old']);
  });
});

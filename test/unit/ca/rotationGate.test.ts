import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { COMPROMISE_PATIENCE, gateOf, type Leaf, type Rotation, type SidecarFacts } from '../../../src/ca/rotation.ts';
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
  holds: [{ root: 'new', intermediate: 'i-new', notAfter: NOW + HOUR }],
  shows: undefined,
  refused: undefined,
  contradicted: undefined,
  ...change,
});
const OLD: Leaf = { root: 'old', intermediate: 'i-old', notAfter: NOW + HOUR };
const holdsOld = { holds: [OLD] };
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
      sidecar('connected', { ...untrusting, holds: [] }),
      sidecar('away', { ...untrusting, ...away }),
      sidecar('expired', { ...untrusting, ...away, holds: [{ ...OLD, notAfter: NOW }] }),
      sidecar('never', { ...untrusting, ...away, holds: [] }),
    ];
    const { open, waitingFor } = gateOf(plan, sidecars, NOW);
    assert.equal(open, false);
    assert.deepEqual(waitingFor, [
      { node: 'connected', why: 'has not ACKed the bundle with the new root', until: undefined },
      { node: 'away', why: 'has not ACKed the bundle with the new root, and is away', until: NOW + HOUR },
    ]);
    assert.deepEqual(waiting(plan, sidecars, NOW + HOUR), ['connected']);
  });

  it('issue: wait for the connected ones only; retire: for those who are away too, until their certificates end', () => {
    const sidecars = [sidecar('ok'), sidecar('old', holdsOld), sidecar('away', { ...holdsOld, ...away })];
    assert.deepEqual(waiting({ ...plan, step: 'issue' }, sidecars), ['old']);
    assert.deepEqual(waiting({ ...plan, step: 'retire' }, sidecars), ['old', 'away']);
    assert.deepEqual(waiting({ ...plan, step: 'retire' }, sidecars, NOW + HOUR), ['old']);
  });

  it('one that may hold several certificates waits for the last of those that are not from the new one', () => {
    const two = sidecar('a', { ...away, holds: [OLD, { ...OLD, root: '', notAfter: NOW + 2 * HOUR }] });
    assert.deepEqual(gateOf({ ...plan, step: 'retire' }, [two], NOW).waitingFor, [
      { node: 'a', why: 'may hold a certificate of the old one, and is away', until: NOW + 2 * HOUR },
    ]);
  });

  it('retire alone waits for a client certificate in files, as long as it lives', () => {
    const shows = sidecar('a', { shows: OLD });
    assert.deepEqual(waiting({ ...plan, step: 'issue' }, [shows]), []);
    assert.deepEqual(gateOf({ ...plan, step: 'retire' }, [shows], NOW).waitingFor, [
      { node: 'a', why: 'shows Signet a client certificate of the old one', until: NOW + HOUR },
    ]);
    assert.deepEqual(waiting({ ...plan, step: 'retire' }, [shows], NOW + HOUR), []);
  });

  it('names what a sidecar refused with, and what its Envoy says it holds instead', () => {
    const refused = sidecar('a', { trusts: new Set(), refused: 'bad PEM' });
    assert.match(gateOf(plan, [refused], NOW).waitingFor[0]?.why ?? '', /it refused its secrets \(bad PEM\)/);
    const contradicted = sidecar('a', { contradicted: 'abc' });
    assert.match(gateOf({ ...plan, step: 'issue' }, [contradicted], NOW).waitingFor[0]?.why ?? '', /still holds abc/);
  });

  it('a compromised root waits for nobody who is away, and for the others no longer than its patience', () => {
    const compromise = { ...plan, kind: 'compromise' } as const;
    const late = NOW + COMPROMISE_PATIENCE;
    for (const step of ['distribute', 'issue', 'retire'] as const) {
      const lacking = sidecar('a', { ...holdsOld, trusts: new Set() });
      assert.deepEqual(waiting({ ...compromise, step }, [{ ...lacking, ...away }]), [], step);
      assert.deepEqual(gateOf({ ...compromise, step }, [lacking], NOW).waitingFor[0]?.until, late);
      assert.deepEqual(waiting({ ...compromise, step }, [lacking], late), [], step);
    }
  });

  it('a compromised root waits for those who had no time to come back after a start', () => {
    const compromise = { ...plan, kind: 'compromise' } as const;
    const lacking = sidecar('a', { ...holdsOld, ...away, trusts: new Set() });
    for (const step of ['distribute', 'retire'] as const) {
      const { waitingFor } = gateOf({ ...compromise, step }, [lacking], NOW + 5, NOW);
      assert.deepEqual(
        waitingFor.map(({ until }) => until),
        [NOW + COMPROMISE_PATIENCE],
        step,
      );
    }
  });

  it('an intermediate is told by its own serial, not by its root', () => {
    const rotation: Rotation = { ...plan, kind: 'intermediate', step: 'issue', from: 'i-old', to: 'i-new' };
    assert.deepEqual(waiting(rotation, [sidecar('new'), sidecar('old', holdsOld)]), ['old']);
  });
});

import assert from 'node:assert/strict';
import { Moments } from '../../../src/control/moments.ts';
import type { Mesh } from '../../../src/model/mesh.ts';
import { NOTHING_REVOKED, type Revoked } from '../../../src/plan/revoked.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { meshFrom } from '../../support/plans.ts';

describe('a moment that alike sidecars are planned in', () => {
  const TEXT = 'mesh: { trustDomain: shop.example }\nservices: { web: { ports: [8080:3000/http] } }\n';
  const GRANT = TEXT.replace(' }', ', allow: [{ from: anyone, until: 2027-01-01T00:00:02Z }] }');
  let clock: FakeClock;
  let facts: { mesh: Mesh; revoked: Revoked };
  let moments: Moments;
  beforeEach(() => {
    clock = new FakeClock();
    facts = { mesh: meshFrom(TEXT), revoked: NOTHING_REVOKED };
    const endpoints = () => new Map();
    moments = new Moments({ clock, endpoints, mesh: () => facts.mesh, revoked: () => facts.revoked });
  });

  it('stays for a while, and not for ever', async () => {
    const first = moments.now();
    await clock.advance(5_000);
    assert.equal(moments.now(), first);
    await clock.advance(5_000);
    assert.notEqual(moments.now(), first);
  });

  it('is another one with another mesh, or when something was revoked', () => {
    const first = moments.now();
    facts.mesh = meshFrom(TEXT);
    const second = moments.now();
    assert.notEqual(second, first);
    assert.equal(second.mesh, facts.mesh);
    facts.revoked = { ...NOTHING_REVOKED };
    assert.equal(moments.now().revoked, facts.revoked);
  });

  it('ends when time changes a policy, also where the clock was set back after an earlier change', async () => {
    facts.mesh = meshFrom(GRANT);
    await clock.advance(2_500);
    assert.equal(moments.now().nextChange, undefined);
    clock.jump(-1_500);
    const first = moments.now();
    assert.equal(first.nextChange, clock.now() + 1_000);
    await clock.advance(999);
    assert.equal(moments.now(), first);
    await clock.advance(1);
    assert.notEqual(moments.now(), first);
  });

  it('ends when the wall clock is set back', () => {
    const first = moments.now();
    clock.jump(-1);
    assert.notEqual(moments.now(), first);
  });
});

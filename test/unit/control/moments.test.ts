import assert from 'node:assert/strict';
import { Moments } from '../../../src/control/moments.ts';
import type { Mesh } from '../../../src/model/mesh.ts';
import { NOTHING_REVOKED, type Revoked } from '../../../src/plan/revoked.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { meshFrom } from '../../support/plans.ts';

describe('a moment that alike sidecars are planned in', () => {
  const TEXT = 'mesh: { trustDomain: shop.example }\nservices: { web: { ports: [8080:3000/http] } }\n';
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
    const first = moments.now(undefined);
    await clock.advance(5_000);
    assert.equal(moments.now(undefined), first);
    await clock.advance(5_000);
    assert.notEqual(moments.now(undefined), first);
  });

  it('is another one with another mesh, or when something was revoked', () => {
    const first = moments.now(undefined);
    facts.mesh = meshFrom(TEXT);
    const second = moments.now(undefined);
    assert.notEqual(second, first);
    assert.equal(second.mesh, facts.mesh);
    facts.revoked = { ...NOTHING_REVOKED };
    assert.equal(moments.now(undefined).revoked, facts.revoked);
  });

  it('ends when time changes a policy, also where what changes after that is known already', async () => {
    const first = moments.now(clock.now() + 2_000);
    await clock.advance(1_999);
    assert.equal(moments.now(clock.now() + 1), first);
    await clock.advance(1);
    assert.notEqual(moments.now(clock.now() + 60_000), first);
  });

  it('ends when the wall clock is set back', () => {
    const first = moments.now(undefined);
    clock.jump(-1);
    assert.notEqual(moments.now(undefined), first);
  });
});

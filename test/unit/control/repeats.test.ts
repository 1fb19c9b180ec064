import assert from 'node:assert/strict';
import { repeats } from '../../../src/control/repeats.ts';
import { FakeClock } from '../../support/fakeClock.ts';

describe('what is said again and again', () => {
  it('is new once, and again after its time', async () => {
    const clock = new FakeClock();
    const { isNew } = repeats(clock, 1_000);
    assert.deepEqual([isNew('a'), isNew('a'), isNew('b')], [true, false, true]);
    await clock.advance(999);
    assert.equal(isNew('a'), false);
    await clock.advance(1);
    assert.equal(isNew('a'), true);
  });

  it('is forgotten where a thousand others came since', () => {
    const { isNew } = repeats(new FakeClock(), 1_000);
    assert.equal(isNew('first'), true);
    for (let i = 0; i < 1_000; i++) isNew(String(i));
    assert.equal(isNew('first'), true);
    assert.equal(isNew('999'), false);
  });
});

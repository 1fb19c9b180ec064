import assert from 'node:assert/strict';
import { Aside } from '../../../src/control/aside.ts';
import { FakeClock } from '../../support/fakeClock.ts';

/** Something to wait for, and its end. */
const waiting = (): { readonly waited: Promise<void>; readonly end: () => void } => {
  let end = (): void => {};
  const waited = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { waited, end };
};

describe('who waits aside', () => {
  const setUp = () => {
    const clock = new FakeClock();
    let told = 0;
    const aside = new Aside(clock, () => {
      told += 1;
    });
    return { clock, aside, told: () => told };
  };

  it('counts half a second after it began, whenever others did', async () => {
    const { clock, aside, told } = setUp();
    const [first, second] = [waiting(), waiting()];
    const one = aside.wait(first.waited);
    await clock.advance(300);
    const other = aside.wait(second.waited);
    await clock.advance(199);
    assert.deepEqual([aside.count, told()], [0, 0]);
    await clock.advance(1);
    assert.deepEqual([aside.count, told()], [1, 1]);
    await clock.advance(299);
    assert.equal(aside.count, 1);
    await clock.advance(1);
    assert.deepEqual([aside.count, told()], [2, 2]);
    first.end();
    await one;
    assert.equal(aside.count, 1);
    second.end();
    await other;
    assert.equal(aside.count, 0);
  });

  it('counts nobody who was served before, and keeps no timer for nobody', async () => {
    const { clock, aside, told } = setUp();
    const [quick, slow] = [waiting(), waiting()];
    const one = aside.wait(quick.waited);
    await clock.advance(100);
    const other = aside.wait(slow.waited);
    quick.end();
    await one;
    await clock.advance(450);
    assert.deepEqual([aside.count, told(), clock.pending], [0, 0, 1]);
    slow.end();
    await other;
    assert.deepEqual([aside.count, clock.pending], [0, 0]);
  });

  it('hands on what was waited for, a failure too', async () => {
    const { clock, aside } = setUp();
    assert.equal(await aside.wait(Promise.resolve('served')), 'served');
    await assert.rejects(aside.wait(Promise.reject(new Error('away'))), /away/);
    assert.deepEqual([aside.count, clock.pending], [0, 0]);
  });
});

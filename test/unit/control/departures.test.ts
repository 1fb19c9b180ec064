import assert from 'node:assert/strict';
import { type Instance, judgeDepartures } from '../../../src/control/departures.ts';

const START = 1_000_000;
const LATER = START + 3_600_000;
const live = (n: number): Instance => ({ node: `prod/web/${n}`, service: 'prod/web', leftAt: undefined });
const left = (n: number, leftAt: number): Instance => ({ ...live(n), leftAt });

describe('an instance that is away is kept', () => {
  const judge = (instances: readonly Instance[], now: number, startedAt = START) => {
    const { withdraw, kept, again } = judgeDepartures(instances, [], startedAt, now);
    return { withdraw, kept: kept.map(({ node, why, until }) => [node.slice(-1), why, until]), again };
  };
  const others = [live(6), live(7), live(8), live(9)];

  it('for 3 s, in case it comes back', () => {
    const back = { withdraw: [], kept: [['1', 'soon', LATER + 3_000]], again: LATER + 3_000 };
    assert.deepEqual(judge([left(1, LATER), ...others], LATER + 2_999), back);
    assert.deepEqual(judge([left(1, LATER), ...others], LATER + 3_000).withdraw, ['prod/web/1']);
  });

  it('for the first minute after a start', () => {
    const { kept, withdraw } = judge([left(1, START + 1_000), ...others], START + 59_999);
    assert.deepEqual({ kept, withdraw }, { kept: [['1', 'start', START + 60_000]], withdraw: [] });
    assert.deepEqual(judge([left(1, START + 1_000), ...others], START + 60_000).kept, []);
  });

  it('for ten minutes, of a crowd', () => {
    const crowd = [left(1, LATER), left(2, LATER + 10_000), live(6)];
    assert.deepEqual(judge(crowd, LATER + 599_999).kept, [
      ['1', 'crowd', LATER + 600_000],
      ['2', 'crowd', LATER + 610_000],
    ]);
    assert.deepEqual(judge(crowd, LATER + 610_000).withdraw, ['prod/web/1', 'prod/web/2']);
  });

  it('without an end, as the last of its service', () => {
    const { kept, again } = judge([left(1, LATER)], LATER + 3_600_000);
    assert.deepEqual({ kept, again }, { kept: [['1', 'last', undefined]], again: undefined });
  });
});

import assert from 'node:assert/strict';
import { afterTaking, holdingsOf, holdingsOfAll, withChanges } from '../../../src/xds/holdings.ts';
import { TYPE } from '../../../src/xds/resource.ts';

const resource = (name: string, version: string) => ({ name, version, any: Buffer.from(version) });

describe('holdings', () => {
  const held = holdingsOf([
    ['a', '1'],
    ['b', '1'],
  ]);
  const cases: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    [
      'all that was held, and more',
      [
        ['c', '1'],
        ['b', '2'],
        ['a', '1'],
      ],
    ],
    ['a part of it', [['a', '2']]],
    [
      'as many others',
      [
        ['c', '1'],
        ['d', '1'],
      ],
    ],
    ['nothing', []],
  ];
  for (const [what, taken] of cases) {
    it(`are the same after a response with ${what}, whether made anew or changed`, () => {
      const after = afterTaking(TYPE.rds, held, holdingsOf(taken));
      const changed = withChanges(held, taken, []);
      assert.deepEqual(new Map(after.versions), new Map(changed.versions));
      assert.equal(after.digest, changed.digest);
      assert.deepEqual([...held.versions.keys()], ['a', 'b']);
    });
  }

  it('are one value for all streams that held and take the same, until that is another', () => {
    const [first, second] = [holdingsOf([['a', '2']]), holdingsOf([['a', '3']])];
    const after = afterTaking(TYPE.rds, held, first);
    assert.equal(afterTaking(TYPE.rds, held, first), after);
    assert.equal(afterTaking(TYPE.rds, held, second).versions.get('a'), '3');
  });

  it('share one value among streams that are sent the same, and no other', () => {
    const [a, b] = [resource('a', '1'), resource('b', '1')];
    const first = holdingsOfAll(TYPE.rds, [a, b]);
    assert.equal(holdingsOfAll(TYPE.rds, [a, b]), first);
    assert.deepEqual([...holdingsOfAll(TYPE.rds, [a]).versions], [['a', '1']]);
    assert.deepEqual(
      holdingsOfAll(TYPE.rds, [a, resource('b', '2')]),
      holdingsOf([
        ['a', '1'],
        ['b', '2'],
      ]),
    );
  });

  it('remember no secret', () => {
    const mine = [resource('a', '1')];
    assert.notEqual(holdingsOfAll(TYPE.sds, mine), holdingsOfAll(TYPE.sds, mine));
  });
});

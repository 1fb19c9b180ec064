import assert from 'node:assert/strict';
import { afterTaking, holdingsOf, versionsOf, withChanges } from '../../../src/xds/holdings.ts';
import { TYPE } from '../../../src/xds/resource.ts';

const resource = (name: string, version: string) => ({ name, version, any: Buffer.from(version) });

describe('holdings', () => {
  const held = holdingsOf([
    ['a', '1'],
    ['b', '1'],
  ]);
  const cases: readonly (readonly [string, readonly (readonly [string, string])[], readonly string[]])[] = [
    [
      'all that was held, and more',
      [
        ['c', '1'],
        ['b', '2'],
        ['a', '1'],
      ],
      [],
    ],
    ['a part of it', [['a', '2']], []],
    [
      'as many others',
      [
        ['c', '1'],
        ['d', '1'],
      ],
      [],
    ],
    [
      'all, and takes one away',
      [
        ['a', '2'],
        ['b', '2'],
      ],
      ['b'],
    ],
    ['nothing', [], ['a']],
  ];
  for (const [what, taken, removals] of cases) {
    it(`are the same after a response with ${what}, whether made anew or changed`, () => {
      const after = afterTaking(held, new Map(taken), removals);
      const changed = withChanges(held, taken, removals);
      assert.deepEqual(new Map(after.versions), new Map(changed.versions));
      assert.equal(after.digest, changed.digest);
      assert.deepEqual([...held.versions.keys()], ['a', 'b']);
    });
  }

  it('share one map among streams that are sent the same, and no other', () => {
    const [a, b] = [resource('a', '1'), resource('b', '1')];
    const first = versionsOf(TYPE.rds, [a, b]);
    assert.equal(versionsOf(TYPE.rds, [a, b]), first);
    assert.deepEqual([...versionsOf(TYPE.rds, [a])], [['a', '1']]);
    assert.deepEqual(
      [...versionsOf(TYPE.rds, [a, resource('b', '2')])],
      [
        ['a', '1'],
        ['b', '2'],
      ],
    );
  });

  it('remember no secret', () => {
    const mine = [resource('a', '1')];
    assert.notEqual(versionsOf(TYPE.sds, mine), versionsOf(TYPE.sds, mine));
  });
});

import assert from 'node:assert/strict';
import { keepGood, lastGood, newShelf, putGood, putRefusal } from '../../../src/control/shelf.ts';
import { type Resource, TYPE } from '../../../src/xds/resource.ts';

const resource = (name: string, version: string): Resource => ({ name, version, any: new Uint8Array() });
const published = (...resources: readonly Resource[]): ReadonlyMap<string, Resource> =>
  new Map(resources.map((one) => [one.name, one]));
const versions = (set: ReadonlyMap<string, Resource>): ReadonlyMap<string, string> =>
  new Map([...set].map(([name, { version }]) => [name, version]));

/** The form that a sidecar is sent in place of this version, once another refused that. */
const instead = (shelf: ReturnType<typeof newShelf>, name: string, version: string): string | undefined => {
  const said = { type: TYPE.cds, name, version, error: 'no', since: 0 };
  putRefusal(shelf, said, 'prod/web/1');
  return lastGood(shelf, said, 'prod/web/1')?.version;
};

describe('what alike sidecars took', () => {
  const [a1, a2, b1] = [resource('a', '1'), resource('a', '2'), resource('b', '1')];

  it('is the newest form of each, whatever set it came in last', () => {
    const shelf = newShelf();
    const [old, next] = [published(a1, b1), published(a2, b1)];
    putGood(shelf, TYPE.cds, versions(old), old);
    putGood(shelf, TYPE.cds, versions(next), next);
    // The first set again, as after a change that was taken back: all of it was known to be there once.
    putGood(shelf, TYPE.cds, versions(old), old);
    assert.equal(instead(shelf, 'a', '3'), '1');
  });

  it('is nothing that only a part of the sidecars’ answers named', () => {
    const shelf = newShelf();
    const all = published(a1, b1);
    putGood(shelf, TYPE.cds, new Map([['a', '1']]), all);
    assert.equal(instead(shelf, 'b', '2'), undefined);
    putGood(shelf, TYPE.cds, new Map([['b', '1']]), all);
    assert.equal(instead(shelf, 'b', '2'), '1');
  });

  it('is known again after it was forgotten', () => {
    const shelf = newShelf();
    const [all, few] = [published(a1, b1), published(a1)];
    putGood(shelf, TYPE.cds, versions(all), all);
    keepGood(shelf, TYPE.cds, few);
    assert.equal(instead(shelf, 'b', '2'), undefined);
    putGood(shelf, TYPE.cds, versions(all), all);
    assert.equal(instead(shelf, 'b', '2'), '1');
  });
});

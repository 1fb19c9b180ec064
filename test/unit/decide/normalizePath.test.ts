import assert from 'node:assert/strict';
import { normalizePath } from '../../../src/features/authorization/path.ts';

// What Envoy 1.40 made of each path with normalize_path, merge_slashes and KEEP_UNCHANGED for escaped slashes.
const MEASURED: readonly (readonly [string, string])[] = [
  ['/', '/'],
  ['//', '//'],
  ['///', '//'],
  ['/a/', '/a/'],
  ['//a//b', '/a/b'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/a/b/..', '/a/'],
  ['/a/b/.', '/a/b/'],
  ['/..', '/'],
  ['/../a', '/a'],
  ['/a//../b', '/a/b'],
  ['/a/b//../c', '/a/b/c'],
  ['//..//x', '/x'],
  ['/a///../../b', '/a/b'],
  ['/%61', '/a'],
  ['/%2e%2e/a', '/a'],
  ['/a/%2E%2e/b', '/b'],
  ['/a/.%2e/b', '/b'],
  ['/a%2fb', '/a%2fb'],
  ['/a%5cb', '/a%5cb'],
  ['/a\\b', '/a/b'],
  ['/a\\..\\b', '/b'],
  ['/a%20b', '/a%20b'],
  ['/a;x', '/a;x'],
  ['/a/;/../b', '/a/b'],
  ['/x/..;/y', '/y'],
  ['/x/..;a=b/y', '/y'],
  ['/x/.;a/y', '/x/y'],
  ['/x/.;', '/x/'],
  ['/x/..;a', '/'],
  ['/x/..;/..;/../y', '/y'],
  ['/x/y/..;%2fz', '/x/'],
  ['//..;//y', '/y'],
  ['/x/...;/y', '/x/...;/y'],
  ['/x/..%3b/y', '/x/..%3b/y'],
  ['/%7e%2d%5f', '/~-_'],
  ['/%41dmin', '/Admin'],
  ['/%25%36%31', '/%2561'],
  ['/a%7f', '/a%7f'],
  ['/%zz', '/%zz'],
  ['/%', '/%'],
  ['/%4', '/%4'],
  ['/a|b^c`d', '/a%7Cb%5Ec%60d'],
  ['/a{b}"<c>', '/a%7Bb%7D%22%3Cc%3E'],
  ["/a[b]'!$&()*+,:=@", "/a[b]'!$&()*+,:=@"],
  ['/%c3%A9', '/%c3%A9'],
  ['/a/...', '/a/...'],
  ['/a/..b', '/a/..b'],
  ['/a%2e%2eb', '/a..b'],
  ['/%2f..', '/%2f..'],
  ['/a%2F%2E%2E%2Fb', '/a%2F..%2Fb'],
  ['/a;%2%41]/', '/a;%252A]/'],
  ['/%2%61//B%41:<', '/%252a/BA:%3C'],
];

describe('normalizePath', () => {
  for (const [sent, seen] of MEASURED) it(`${sent} as Envoy does`, () => assert.equal(normalizePath(sent), seen));
  it('drops the query', () => assert.equal(normalizePath('/a?x=/../b'), '/a'));
  it('leaves escaped or backslashed dots with a parameter, which the applications then read', () => {
    assert.equal(normalizePath('/x/%2e%2e;a/y'), '/x/..;a/y');
    assert.equal(normalizePath('/x/.%2e;/y'), '/x/..;/y');
    assert.equal(normalizePath('/x\\..;\\y'), '/x/..;/y');
  });
  it('leaves what is normal alone', () => {
    for (const [, seen] of MEASURED) if (!seen.includes('%25')) assert.equal(normalizePath(seen), seen);
  });
});

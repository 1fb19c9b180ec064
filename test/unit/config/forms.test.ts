import assert from 'node:assert/strict';
import { parseMoment } from '../../../src/config/forms/moment.ts';
import { parsePath } from '../../../src/config/forms/path.ts';
import { parsePort } from '../../../src/config/forms/port.ts';
import { isPrivate, parseTarget } from '../../../src/config/forms/target.ts';
import { didYouMean } from '../../../src/lib/suggest.ts';

const value = <T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T | undefined => (result.ok ? result.value : undefined);

describe('a path pattern', () => {
  const good: readonly (readonly [string, unknown])[] = [
    ['*', { kind: 'any' }],
    ['/*', { kind: 'any' }],
    ['/', { kind: 'exact', path: '/' }],
    ['/a', { kind: 'exact', path: '/a' }],
    ['/a/', { kind: 'exact', path: '/a/' }],
    ['/a/*', { kind: 'prefix', path: '/a' }],
    ['/a/b/*', { kind: 'prefix', path: '/a/b' }],
    ['*.png', { kind: 'suffix', suffix: '.png' }],
    ['*/health', { kind: 'suffix', suffix: '/health' }],
    ['/a.b+(c)$', { kind: 'exact', path: '/a.b+(c)$' }],
    ['/a%20b', { kind: 'exact', path: '/a%20b' }],
    ['/a/{*}', { kind: 'template', segments: [{ kind: 'literal', text: 'a' }, { kind: 'one' }] }],
    [
      '/{*}/b/{**}',
      { kind: 'template', segments: [{ kind: 'one' }, { kind: 'literal', text: 'b' }, { kind: 'rest' }] },
    ],
  ];
  for (const [text, pattern] of good) it(`may be ${text}`, () => assert.deepEqual(value(parsePath(text)), pattern));
  const bad = [
    '',
    'a',
    '/a*',
    '/a/*/b',
    '/*/b',
    '/a/**',
    '**',
    '*.*',
    '*a*',
    '/a/{b}',
    '/a/{*}c',
    '/{**}/a',
    '{*}',
    '*{*}',
    '/a//b',
  ];
  const never = [
    '/a/./b',
    '/a/../b',
    '/..',
    '/%41',
    '/a?b',
    '/a#b',
    '/a b',
    '/a\\b',
    '/é',
    '/a%2',
    '/a"b',
    '/a|b',
    '//',
    '/a//*',
    '/a/../*',
    '*/../b',
  ];
  for (const text of [...bad, ...never])
    it(`is never ${JSON.stringify(text)}`, () => assert.equal(parsePath(text).ok, false));
});

describe('a template', () => {
  // RE2 program of 100 and 101 instructions, measured with Envoy 1.40.
  it('is no longer than Envoy takes', () => {
    assert.equal(parsePath(`/${'a'.repeat(89)}/{*}`).ok, true);
    assert.equal(parsePath(`/${'a'.repeat(90)}/{*}`).ok, false);
    assert.equal(parsePath(`/${'a'.repeat(90)}/{**}`).ok, true);
    assert.equal(parsePath(`/${'a'.repeat(91)}/{**}`).ok, false);
  });
});

describe('a moment', () => {
  it('has a date, a time and a zone', () => {
    assert.equal(parseMoment('2027-06-30T00:00:00Z'), Date.UTC(2027, 5, 30));
    assert.equal(parseMoment('2027-06-30 02:00:00.5+02:00'), Date.UTC(2027, 5, 30) + 500);
    assert.equal(parseMoment('2027-06-30T00:00Z'), Date.UTC(2027, 5, 30));
    assert.equal(parseMoment('2028-02-29T00:00:00Z'), Date.UTC(2028, 1, 29));
  });
  for (const text of [
    '2027-06-30',
    '2027-06-30T00:00:00',
    '2027-02-29T00:00:00Z',
    '2027-13-01T00:00:00Z',
    '2027-01-01T25:00:00Z',
    'now',
    '',
  ])
    it(`is never ${JSON.stringify(text)}`, () => assert.equal(parseMoment(text), undefined));
});

describe('a port', () => {
  const short = (text: string): unknown => {
    const form = value(parsePort(text));
    return form === undefined ? undefined : [form.port, form.target, form.protocol];
  };
  it('has a protocol, and a target or its own number on loopback', () => {
    assert.deepEqual(short('8080:3000/http'), [8080, { kind: 'tcp', host: '127.0.0.1', port: 3000 }, 'http']);
    assert.deepEqual(short('8080/grpc'), [8080, { kind: 'tcp', host: '127.0.0.1', port: 8080 }, 'grpc']);
    assert.deepEqual(short('8080:[::1]:3000/http2'), [8080, { kind: 'tcp', host: '::1', port: 3000 }, 'http2']);
    assert.deepEqual(short('8080:unix:/run/a.sock/tcp'), [8080, { kind: 'unix', path: '/run/a.sock' }, 'tcp']);
  });
  for (const text of [
    '8080',
    '8080:3000',
    '/http',
    '0/http',
    '65536/http',
    '08/http',
    '8080:/http',
    '8080:0/http',
    '8080/',
    '8080/HTTP',
    ' 8080/http',
  ])
    it(`is never ${JSON.stringify(text)}`, () => assert.equal(short(text), undefined));
});

describe('a target', () => {
  const isSafe = (text: string): boolean | undefined => {
    const target = value(parseTarget(text));
    return target === undefined ? undefined : isPrivate(target);
  };
  it('is private on loopback and on unix sockets alone', () => {
    for (const text of ['3000', '127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1', 'unix:/run/a'])
      assert.equal(isSafe(text), true, text);
    for (const text of [
      '0.0.0.0:1',
      '10.0.0.1:1',
      '[::]:1',
      '[::ffff:127.0.0.1]:1',
      '127.0.0.1.example:1',
      'localhost.example:1',
    ])
      assert.equal(isSafe(text), false, text);
    for (const text of [
      '',
      'a',
      'unix:a',
      'unix:/',
      `unix:/${'a'.repeat(120)}`,
      '::1:80',
      '127.1:80',
      '[a]:1',
      'a b:1',
    ])
      assert.equal(isSafe(text), undefined, text);
  });
});

describe('did you mean', () => {
  it('offers what is near and nothing else', () => {
    assert.equal(didYouMean('ordres', ['orders', 'payments']), 'did you mean orders?');
    assert.equal(didYouMean('trustdomain', ['trustDomain']), 'did you mean trustDomain?');
    assert.equal(didYouMean('x', ['orders', 'web']), undefined);
    assert.equal(didYouMean('cart', ['store']), undefined);
  });
});

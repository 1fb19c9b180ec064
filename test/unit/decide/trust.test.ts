import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { decide } from '../../../src/decide/decide.ts';
import { findCaller, findPort } from '../../../src/decide/reference.ts';
import { meshOf } from '../config/load.ts';

const PARTNER = readFileSync(new URL('../../golden/diagnostics/trust/good.pem', import.meta.url));

/** Whether a caller may GET / of a service with these rules, in a mesh of two names that trusts one other. */
const verdict = (rules: object, from: string): { readonly allow: boolean; readonly reason: string } => {
  const mesh = meshOf(
    JSON.stringify({
      mesh: {
        trustDomain: 'new.example',
        trustDomainAliases: ['old.example'],
        trust: [{ trustDomain: 'partner.example', bundle: { file: 'partner.pem' } }],
      },
      services: { web: {}, debug: {}, orders: { ports: ['8080/http'], ...rules } },
    }),
    { beside: () => PARTNER },
  );
  const caller = findCaller(mesh, from);
  assert.ok(caller.ok);
  const target = findPort(mesh, 'orders', caller.value);
  assert.ok(target.ok);
  const request = { method: 'GET', path: '/' };
  return decide(mesh, 0, { from: caller.value, plaintext: false, ...target.value, request });
};

const WEB = ['web', 'spiffe://new.example/ns/default/sa/web', 'spiffe://old.example/ns/default/sa/web'];
const DEBUG = ['debug', 'spiffe://old.example/ns/default/sa/debug'];
const FOREIGN = ['spiffe://partner.example/billing', 'spiffe://partner.example/ns/default/sa/web'];
const EVERYBODY = [...WEB, ...DEBUG, ...FOREIGN];

/** Whom a `from` means, as an allow and as a deny. */
const cases: readonly (readonly [string, unknown, readonly string[], (readonly string[])?])[] = [
  ['a name', 'web', WEB],
  ['an ID of the mesh’s name', 'spiffe://new.example/ns/default/sa/web', WEB],
  ['an ID of an alias', 'spiffe://old.example/ns/default/sa/web', WEB],
  ['a namespace', 'default/*', [...WEB, ...DEBUG]],
  ['any identity of this mesh', '*', [...WEB, ...DEBUG]],
  ['an ID of a trusted domain', FOREIGN[0], FOREIGN.slice(0, 1)],
  ['a trusted domain', { trustDomains: 'partner.example' }, FOREIGN],
  ['an alias as a trust domain', { trustDomains: 'old.example' }, [...WEB, ...DEBUG]],
  [
    'a trusted domain without one',
    { trustDomains: 'partner.example', not: { principals: FOREIGN[0] } },
    FOREIGN.slice(1),
  ],
  ['a namespace of a trusted domain', { trustDomains: 'partner.example', namespaces: 'default' }, []],
  ['not this one', { not: { principals: 'web' } }, DEBUG, [...DEBUG, ...FOREIGN]],
  ['not of this namespace', { not: { namespaces: 'default' } }, [], FOREIGN],
  ['not of an alias', { not: { trustDomains: 'old.example' } }, [], FOREIGN],
  ['not of a trusted domain', { not: { trustDomains: 'partner.example' } }, [...WEB, ...DEBUG]],
  ['anyone', 'anyone', EVERYBODY],
];

describe('whom a rule means where a mesh has two names and trusts another', () => {
  for (const [what, from, allowed, denied = allowed] of cases)
    it(what, () => {
      assert.deepEqual(
        EVERYBODY.filter((caller) => verdict({ allow: [{ from }] }, caller).allow),
        allowed,
      );
      assert.deepEqual(
        EVERYBODY.filter((caller) => !verdict({ allow: ['anyone'], deny: [{ from }] }, caller).allow),
        denied,
      );
    });

  it('nobody of a trust domain that is not named, whatever rules say', () => {
    const { allow, reason } = verdict({ allow: ['anyone'] }, 'spiffe://other.example/ns/default/sa/web');
    assert.equal(allow, false);
    assert.match(reason, /^certificates of other\.example are not trusted here \(mesh\.trust has no entry for it\)/);
  });
});

import assert from 'node:assert/strict';
import { makeCa } from '../../../src/ca/caCertificate.ts';
import { readBundle } from '../../../src/spiffe/readBundle.ts';
import { namesOf, parseSpiffeId, type SpiffeId, type TrustDomain } from '../../../src/spiffe/spiffeId.ts';
import { spiffeBundle } from '../../../src/spiffe/writeBundle.ts';

const NOW = Date.UTC(2027, 0, 1);
const rootOf = (name: string): string =>
  makeCa('root', { trustDomain: name as TrustDomain, life: 86_400_000, now: NOW, curve: 'P-256' }).certificate.pem;

describe('a trust bundle', () => {
  const roots = [rootOf('a.example'), rootOf('a.example')];
  const read = (text: string): readonly string[] => {
    const found = readBundle(Buffer.from(text));
    if (!found.ok) throw new Error(found.error);
    return found.value.roots.map(({ pem }) => pem);
  };

  it('is read as PEM, with words around it, each root once', () => {
    assert.deepEqual(read(`Roots of A\n${roots[0]}\n${roots.join('# and\n')}`), roots);
  });

  it('is read as the SPIFFE bundle that is written of it', () => {
    const bundle = spiffeBundle(roots, 7);
    assert.deepEqual(read(JSON.stringify(bundle)), roots);
    const { keys, ...rest } = bundle as { readonly keys: readonly Record<string, unknown>[] };
    assert.deepEqual(rest, { spiffe_sequence: 7, spiffe_refresh_hint: 300 });
    assert.deepEqual(Object.keys(keys[0] ?? {}).sort(), ['crv', 'kty', 'use', 'x', 'x5c', 'y']);
  });

  it('says its sequence, which is a whole number where it stands at all', () => {
    const sequence = (more: object) => {
      const found = readBundle(Buffer.from(JSON.stringify({ ...spiffeBundle(roots, 7), ...more })));
      return found.ok ? found.value.sequence : found.error;
    };
    assert.deepEqual([sequence({}), sequence({ spiffe_sequence: undefined })], [7, undefined]);
    for (const odd of ['7', 1.5, -1, null, {}])
      assert.equal(sequence({ spiffe_sequence: odd }), 'has a spiffe_sequence that is no whole number');
  });

  it('says when each root ends, and has no more than 64', () => {
    const found = readBundle(Buffer.from(roots.join('')));
    assert.deepEqual(found.ok && found.value.roots.map(({ notAfter }) => notAfter), [
      NOW + 86_400_000,
      NOW + 86_400_000,
    ]);
    assert.deepEqual(readBundle(Buffer.from(String(roots[0]).repeat(65))), {
      ok: false,
      error: 'holds 65 certificates, and 64 are the most',
    });
  });

  it('never throws, and never quotes what it holds', () => {
    const odd = [
      '',
      '{}',
      '{"keys":null}',
      '{"keys":[null,1,{"use":"x509-svid","x5c":[null]}]}',
      '\u0000',
      'secret',
      '{',
    ];
    for (const text of odd) {
      const found = readBundle(Buffer.from(text));
      assert.equal(found.ok, false, text);
      assert.doesNotMatch(found.ok ? '' : found.error, /secret/);
    }
  });
});

describe('the names of an identity', () => {
  const own = ['new.example', 'old.example'] as TrustDomain[];
  const names = (id: string): readonly string[] => namesOf(parseSpiffeId(id) as SpiffeId, own);

  it('are the same path in each of the mesh’s own trust domains, its own first', () => {
    const [one, other] = own.map((domain) => `spiffe://${domain}/ns/prod/sa/web`);
    assert.deepEqual(names(String(one)), [one, other]);
    assert.deepEqual(names(String(other)), [other, one]);
  });

  it('are one for everybody else, however alike', () => {
    for (const id of [
      'spiffe://partner.example/ns/prod/sa/web',
      'spiffe://new.example.org/a',
      'spiffe://xnew.example/a',
    ])
      assert.deepEqual(names(id), [id]);
  });
});

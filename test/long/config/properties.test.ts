import assert from 'node:assert/strict';
import fc from 'fast-check';
import { loadMesh } from '../../../src/config/loadMesh.ts';
import { EXAMPLE, meshOf } from '../../unit/config/load.ts';

const answers = (bytes: Uint8Array | string): void => {
  const loaded = loadMesh('mesh.yaml', bytes, { now: 0 });
  if (loaded.ok) return;
  assert.ok(loaded.error.length > 0, 'a refusal without a reason');
  for (const { location, code, message } of loaded.error) {
    assert.ok(location.line >= 1 && location.column >= 1 && message !== '');
    assert.match(code, /^SIG0\d{3}$/);
  }
};

// Pieces of which a mesh.yaml is made, put together in ways that nobody meant.
const PIECES = [...new Set(EXAMPLE.split(/([\s,{}[\]"]+)/))].concat([
  '*',
  '&a',
  '*a',
  '!!x',
  '<<:',
  '---',
  '? ',
  '- ',
  ': ',
  '|',
  '>',
  '%',
  `\${X}`,
  '${',
  '\t',
  '\0',
  '{',
  '}',
  '[',
  ']',
  'null',
  '~',
  '7',
  '1e999',
  '.nan',
  'true',
  '__proto__',
  'constructor',
  'toString',
  'é',
  '\u2028',
  '"',
  "'",
  '#',
]);

describe('loadMesh', () => {
  it('answers any bytes with diagnostics', function () {
    this.timeout(30_000);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), answers), { numRuns: 500 });
  });

  it('answers any pieces of a mesh.yaml', function () {
    this.timeout(30_000);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 60 }), (parts) => answers(parts.join(''))),
      { numRuns: 600 },
    );
  });

  it('answers the example with a slip in it', function () {
    this.timeout(30_000);
    const slip = fc.record({ at: fc.nat(EXAMPLE.length), remove: fc.nat(12), insert: fc.constantFrom('', ...PIECES) });
    fc.assert(
      fc.property(fc.array(slip, { minLength: 1, maxLength: 3 }), (slips) => {
        let text = EXAMPLE;
        for (const { at, remove, insert } of slips) text = text.slice(0, at) + insert + text.slice(at + remove);
        answers(text);
      }),
      { numRuns: 400 },
    );
  });

  it('answers any value at any place of the schema', function () {
    this.timeout(30_000);
    const keys = [
      'mesh',
      'services',
      'namespaces',
      'prod',
      'web',
      'trustDomain',
      'mtls',
      'mode',
      'until',
      'then',
      'ports',
      'http',
      'port',
      'target',
      'protocol',
      'uses',
      'allow',
      'deny',
      'from',
      'to',
      'principals',
      'not',
      'paths',
      'methods',
      'endpoints',
      'address',
      'labels',
      'certificates',
      'ttl',
    ];
    const leaf = fc.oneof(
      fc.constantFrom(
        'web',
        'strict',
        'permissive',
        '8080/http',
        'GET /a',
        '/a/*',
        'prod/*',
        '*',
        'anyone',
        '24h',
        '',
        '2027-01-01T00:00:00Z',
      ),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.double(),
    );
    const { node } = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 7, depthSize: 'large' },
        leaf,
        fc.array(tie('node'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...keys), tie('node'), { maxKeys: 5 }),
      ),
    }));
    const top = fc.record({
      mesh: node,
      services: fc.dictionary(fc.constantFrom('web', 'api'), node),
      namespaces: fc.dictionary(fc.constantFrom('prod'), node),
    });
    fc.assert(
      fc.property(top, (value) => answers(JSON.stringify(value))),
      { numRuns: 600 },
    );
  });

  it('gives one mesh one revision, however its keys are ordered', function () {
    this.timeout(30_000);
    const base = {
      mesh: { trustDomain: 'a', authorization: 'allow', certificates: { ttl: '1h', curve: 'P-384' } },
      namespaces: {
        prod: {
          mtls: 'strict',
          services: {
            web: { uses: { api: 9001, 'api:db': 9002 }, labels: { b: '1', a: '2' } },
            api: {
              ports: { http: '80/http', db: { port: 81, protocol: 'tcp' } },
              allow: [{ from: 'web', to: { paths: ['/a'], methods: ['GET'] } }],
            },
          },
        },
      },
    };
    const { revision } = meshOf(JSON.stringify(base));
    fc.assert(
      fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (stream) => {
        const next = (): number => stream.next().value ?? 0;
        assert.equal(meshOf(JSON.stringify(shuffle(base, next))).revision, revision);
      }),
      { numRuns: 50 },
    );
    assert.equal(meshOf(`# a comment\n\n${JSON.stringify(base, null, 2)}`).revision, revision);
    assert.notEqual(meshOf(JSON.stringify(base).replace('/a', '/b')).revision, revision);
  });
});

const shuffle = (value: unknown, next: () => number): unknown => {
  if (Array.isArray(value)) return value.map((inner) => shuffle(inner, next));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).map(([key, inner]) => [next(), key, shuffle(inner, next)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => a - b).map(([, key, inner]) => [key, inner]));
};

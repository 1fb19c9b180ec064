import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { CHECKS, checkHealth } from '../../../../src/control/health/checks.ts';
import type { HealthFacts } from '../../../../src/control/health/facts.ts';
import type { Mesh } from '../../../../src/model/mesh.ts';
import type { SpiffeId, TrustDomain } from '../../../../src/spiffe/spiffeId.ts';
import { changed, DAY, HEALTHY, kept, meshOf, NOW, sidecar } from '../../../support/health.ts';

const MESH: Mesh = HEALTHY.mesh;

const trusting = (ends: Readonly<Record<string, readonly number[]>>): Mesh => ({
  ...MESH,
  trust: Object.entries(ends).map(([name, ends]) => ({
    ...{ trustDomain: `${name}.example` as TrustDomain, authorities: ends.map(() => 'PEM'), ends },
    ...{ file: `${name}.pem`, location: { file: 'mesh.yaml', line: 1, column: 1 } },
  })),
});

describe('signet check over a healthy mesh', () => {
  it('says one good line for every check, in the order of the list', () => {
    const { findings, healthy, pending, at } = checkHealth(HEALTHY);
    assert.deepEqual(
      findings.map(({ code, group, level, action }) => ({ code, group, level, action })),
      CHECKS.map(({ code, group }) => ({ code, group, level: 'ok', action: null })),
    );
    assert.deepEqual({ healthy, pending, at }, { healthy: true, pending: false, at: '2027-01-01T12:00:00.000Z' });
  });

  it('says of a mesh where nobody is connected that nobody is', () => {
    const lines = changed({ sidecars: [], registered: new Map() });
    assert.deepEqual(lines, [
      '√ CHK0301 no sidecar is connected',
      '‼ CHK0404 1 service has ports and no instance yet: default/orders',
      '√ CHK0501 no sidecar holds a certificate',
    ]);
  });
});

const away = ['default/orders/b', 'default/orders/c'];
const wrong: readonly (readonly [string, Partial<HealthFacts>, readonly RegExp[]])[] = [
  [
    'a store that refuses writes',
    { storeTrouble: { since: NOW - 5_000, message: 'no space left' } },
    [/^× CHK0102 since 2027-01-01T11:59:55.000Z the store does not take .*: no space left$/],
  ],
  [
    'a save that did not load',
    {
      file: {
        ...HEALTHY.file,
        problem: {
          since: NOW - 5_000,
          message: 'mesh.yaml has 2 errors',
          diagnostics: [3, 4].map((line) => ({
            code: 'SIG0502',
            severity: 'error',
            message: 'nobody is wbe',
            path: 'a',
            location: { file: 'mesh.yaml', line, column: 9 },
            hint: 'did you mean web?',
          })),
        },
      },
    },
    [
      /^× CHK0201 since 2027-\S+Z the file .*: mesh\.yaml has 2 errors: mesh\.yaml:3:9 SIG0502 nobody is wbe \(did you mean web\?\) \(and 1 more\)$/,
    ],
  ],
  [
    'a save that was not read yet',
    { file: { ...HEALTHY.file, unread: true } },
    [/^‼ CHK0201 a save of mesh\.yaml was not read yet …$/],
  ],
  [
    'warnings of the file',
    { file: { ...HEALTHY.file, warnings: ['mesh.yaml:1:1 SIG0305 warning: short', 'another'] } },
    [/^‼ CHK0202 it has 2 warnings, the first: mesh\.yaml:1:1 SIG0305 warning: short$/],
  ],
  [
    'a sidecar that was sent something a moment ago',
    {
      sidecars: [sidecar('default/web/a'), sidecar('default/web/b', { progress: 'pending', progressSince: NOW - 900 })],
    },
    [/^‼ CHK0301 1 of 2 sidecars took the newest configuration; sent a moment ago: default\/web\/b …$/],
  ],
  [
    'plans that are being made',
    { planning: true },
    [/^‼ CHK0301 2 of 2 sidecars took the newest configuration, and a newer one is being made …$/],
  ],
  [
    'a sidecar that has not answered for more than 10 s',
    {
      sidecars: [
        sidecar('default/web/a', { progress: 'pending', progressSince: NOW - 10_001, open: ['lds', 'rds'] }),
        sidecar('default/orders/a'),
      ],
    },
    [/^× CHK0301 for more than 10s not taken \(lds, rds\): default\/web\/a …$/],
  ],
  [
    'two sidecars that refused the same',
    {
      sidecars: ['default/web/a', 'default/web/b'].map((node) =>
        sidecar(node, {
          progress: 'refused',
          refused: [{ type: 'lds', words: 'no \u001b[2Jport (from mesh.yaml:7)' }],
        }),
      ),
    },
    [
      /^√ CHK0301 0 of 2 sidecars took/,
      /^× CHK0302 default\/web\/a, default\/web\/b refused lds: no \\u\{1b\}\[2Jport \(from mesh\.yaml:7\)$/,
    ],
  ],
  [
    'a configuration that cannot be made',
    { sidecars: [sidecar('default/web/a', { trouble: 'the CA is away' }), sidecar('default/orders/a')] },
    [/^× CHK0303 the newest configuration could not be made for default\/web\/a: the CA is away$/],
  ],
  [
    'one node id in two places',
    {
      sidecars: [sidecar('default/web/a'), sidecar('default/web/a', { peer: '10.0.0.9' }), sidecar('default/web/a')],
    },
    [
      /^√ CHK0301 3 of 3/,
      /^‼ CHK0304 default\/web\/a has 3 live streams at once, from 10\.0\.0\.1, 10\.0\.0\.9$/,
      /^√/,
    ],
  ],
  [
    'the first minute after a start',
    {
      graceUntil: NOW + 48_000,
      startedAt: NOW - 12_000,
      kept: [kept('default/orders/b', 'start'), kept('default/orders/c', 'crowd', { leftAt: NOW - 12_000 })],
    },
    [
      /^√ CHK0101 Signet 1\.2\.3 answers, up for 12s$/,
      /^‼ CHK0401 Signet started 12s ago, so nothing is withdrawn before 2027-01-01T12:00:48\.000Z; 2 instances are away: default\/orders\/b, default\/orders\/c$/,
    ],
  ],
  [
    'the first minute after a start with everybody back',
    { graceUntil: NOW + 48_000, startedAt: NOW - 12_000 },
    [/^√ CHK0101/, /^√ CHK0401 .* nothing is withdrawn before 2027-01-01T12:00:48\.000Z; nobody is away$/],
  ],
  [
    'a crowd that went away in the first minute after a start',
    {
      graceUntil: NOW + 48_000,
      startedAt: NOW - 12_000,
      registered: new Map([['default/orders', 2]]),
      kept: away.map((node) => kept(node, 'crowd', { leftAt: NOW - 11_999 })),
    },
    [/^√ CHK0101/, /^√ CHK0401 .* nobody is away$/, /^‼ CHK0402 .*: 2 of 2 instances of default\/orders/],
  ],
  [
    'a crowd that went away',
    { registered: new Map([['default/orders', 5]]), kept: away.map((node) => kept(node, 'crowd')) },
    [
      /^‼ CHK0402 away since 2027-01-01T11:59:30\.000Z: 2 of 5 instances of default\/orders \(default\/orders\/b, default\/orders\/c\)\. .* none is withdrawn before 2027-01-01T12:09:30\.000Z$/,
    ],
  ],
  [
    'the last instance of a service that is away',
    { kept: [kept('default/orders/b', 'last')] },
    [/^‼ CHK0403 no instance of default\/orders is connected, for 30s; callers are .*: default\/orders\/b$/],
  ],
  ['an instance that may be back in a second', { kept: [kept('default/orders/b', 'soon')] }, []],
  [
    'trusted trust domains whose roots end',
    { mesh: trusting({ partner: [NOW - DAY, NOW + 30 * DAY], other: [NOW], third: [NOW + 31 * DAY] }) },
    [
      /^‼ CHK0503 the last root of partner\.example ends in 30d$/,
      /^× CHK0503 every root of other\.example has expired, the last at 2027-01-01T12:00:00\.000Z$/,
    ],
  ],
  [
    'a signer that was not asked yet',
    { signer: { name: 'the signer (exec sign.sh)', sign: 'leaves', away: undefined, asked: 0 } },
    [/^√ CHK0510 the signer \(exec sign\.sh\) was not asked yet .*: .*; `signet ca renew NS\/NAME` asks now$/],
  ],
  [
    'an intermediate that is not due yet, of a signer that was not asked since the start',
    { signer: { name: 'the signer (exec sign.sh)', sign: 'intermediate', away: undefined, asked: 0 } },
    [/^√ CHK0510 the signer \(exec sign\.sh\) was not asked yet .*: it is when the next intermediate is due$/],
  ],
  [
    'a signer that answered',
    { signer: { name: 'the signer (exec sign.sh)', sign: 'leaves', away: undefined, asked: 1 } },
    [/^√ CHK0510 the signer \(exec sign\.sh\) signs$/],
  ],
  [
    'a signer that is away',
    {
      signer: {
        name: 'the signer (exec sign.sh)',
        sign: 'intermediate',
        away: { since: NOW - 5_000, why: 'it ended with 7' },
        asked: 1,
      },
    },
    [
      /^‼ CHK0510 the signer \(exec sign\.sh\) is away since .*: it ended with 7; the intermediate in force.* ends in 300d/,
    ],
  ],
  [
    'a rename that is not over',
    {
      mesh: { ...MESH, trustDomain: 'new.example' as TrustDomain, trustDomainAliases: [MESH.trustDomain] },
      sidecars: ['shop', 'new'].map((name) =>
        sidecar(`default/web/${name}`, { identity: `spiffe://${name}.example/ns/default/sa/web` as SpiffeId }),
      ),
    },
    [/^‼ CHK0504 1 sidecar did not get a certificate of new\.example yet: default\/web\/shop …$/],
  ],
  [
    'a mesh with two names',
    { mesh: { ...MESH, trustDomainAliases: ['old.example' as TrustDomain] } },
    [/^√ CHK0504 every certificate is of shop\.example, which is also called old\.example$/],
  ],
  [
    'exceptions of the file, each line with every port that it opens',
    {
      mesh: meshOf(`mesh: { trustDomain: shop.example }
services:
  orders:
    mtls: { mode: permissive, until: 2027-02-01T00:00:00Z }
    ports: { a: 8080/http, b: 8081/http, c: { port: 8082, protocol: http, mtls: disable } }
    allow:
      - { from: web, until: 2026-01-01T00:00:00Z, name: debug }
      - { from: web, to: GET /x, until: 2027-02-01T00:00:00Z }
    deny: [{ to: /y, until: 2026-06-01T00:00:00Z }]
  web: { mtls: { mode: permissive, until: 2026-02-01T00:00:00Z }, ports: [80/http], endpoints: [{ address: web-1 }] }
`),
    },
    [
      /^‼ CHK0601 takes plaintext for another 30d12h, until 2027-02-01T00:00:00\.000Z: default\/orders:8080, default\/orders:8081 \(mesh\.yaml:4\)$/,
      /^‼ CHK0601 strict since 2026-02-01T00:00:00\.000Z, permissive before: default\/web:80 \(mesh\.yaml:10\)$/,
      /^‼ CHK0602 plaintext only, without identities: default\/orders:8082 \(mesh\.yaml:5\)$/,
      /^‼ CHK0603 1 deny rule has ended: mesh\.yaml:9 at 2026-06-01T00:00:00\.000Z$/,
      /^‼ CHK0603 1 allow rule has ended: mesh\.yaml:7 \(debug\) at 2026-01-01T00:00:00\.000Z$/,
    ],
  ],
  [
    'a rule that will end',
    {
      mesh: meshOf(`mesh: { trustDomain: shop.example }
namespaces:
  default:
    allow: [{ from: web, until: 2027-01-01T13:00:00Z }]
    services: { web: {}, orders: { ports: [80/http] } }
`),
    },
    [/^√ CHK0603 no rule has ended; the next of 1 does in 1h, at 2027-01-01T13:00:00\.000Z$/],
  ],
];

describe('signet check over a mesh with trouble', () => {
  for (const [what, facts, expected] of wrong) {
    it(`tells of ${what}`, () => {
      const lines = changed(facts);
      assert.equal(lines.length, expected.length, lines.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(lines[index] ?? '', pattern);
    });

    it(`says what to do about ${what}`, () => {
      const { findings, healthy, pending } = checkHealth({ ...HEALTHY, ...facts });
      for (const { level, action } of findings) assert.equal(action !== null, level !== 'ok');
      assert.equal(healthy, !findings.some(({ level }) => level === 'failure'));
      assert.equal(
        pending,
        findings.some((found) => found.pending),
      );
    });
  }

  it('names five of many and counts the rest', () => {
    const sidecars = [...Array(9).keys()].map((n) => sidecar(`default/web/${n}`, { trouble: 'no' }));
    const [line = ''] = changed({ sidecars }).filter((text) => text.includes('CHK0303'));
    assert.match(
      line,
      /default\/web\/0, default\/web\/1, default\/web\/2, default\/web\/3, default\/web\/4 and 4 more: no$/,
    );
  });

  it('lets nothing from outside move the cursor', () => {
    const bad = 'x\u001b]0;owned\u0007\n√ CHK0301 all is well';
    const facts: HealthFacts = {
      ...HEALTHY,
      storeTrouble: { since: NOW, message: bad },
      file: { ...HEALTHY.file, name: bad, warnings: [bad], problem: { since: NOW, message: bad, diagnostics: [] } },
      sidecars: [
        sidecar(bad, { open: [bad], progress: 'pending', refused: [{ type: bad, words: bad }], trouble: bad }),
        sidecar(bad, { peer: bad, progressSince: NOW, progress: 'pending' }),
        sidecar(bad, { certificate: { serial: bad, notBefore: 0, notAfter: 1 } }),
      ],
      kept: [kept(bad, 'crowd'), kept(bad, 'last'), kept(bad, 'start')],
      graceUntil: NOW + 1,
    };
    for (const { message, action } of checkHealth(facts).findings)
      assert.doesNotMatch(`${message}${action}`, /\p{Cc}/u);
  });
});

describe('the codes of signet check', () => {
  it('are what docs/check.md explains, one by one and in order', () => {
    const text = readFileSync(new URL('../../../../docs/check.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| (CHK0\d{3}) \| ([^|]+?) \|/gm)].map(([, code, about]) => ({ code, about }));
    assert.deepEqual(
      rows,
      CHECKS.map(({ code, about }) => ({ code, about })),
    );
  });

  it('stand once each', () => {
    assert.equal(new Set(CHECKS.map(({ code }) => code)).size, CHECKS.length);
  });
});

import assert from 'node:assert/strict';
import { checkHealth } from '../../../../src/control/health/checks.ts';
import type { HealthFacts } from '../../../../src/control/health/facts.ts';
import { authority, changed, DAY, HEALTHY, NOW, sidecar } from '../../../support/health.ts';

const wrong: readonly (readonly [string, Partial<HealthFacts>, readonly RegExp[]])[] = [
  [
    'certificates in every state',
    {
      sidecars: [
        sidecar('default/web/good'),
        sidecar('default/web/late', { certificate: { serial: '2', notBefore: NOW - 123_000, notAfter: NOW + 37_000 } }),
        sidecar('default/web/near', { certificate: { serial: '3', notBefore: NOW - 121_000, notAfter: NOW + 39_000 } }),
        sidecar('default/web/last', { certificate: { serial: '6', notBefore: NOW - 141_000, notAfter: NOW + 19_000 } }),
        sidecar('default/web/over', { certificate: { serial: '4', notBefore: NOW - DAY, notAfter: NOW } }),
        sidecar('default/web/soon', { certificate: { serial: '5', notBefore: NOW + 1_000, notAfter: NOW + DAY } }),
      ],
    },
    [
      /^√ CHK0301/,
      /^‼ CHK0501 certificates should have been renewed by now: default\/web\/late \(37s left\)$/,
      /^× CHK0501 certificates end soon and are not renewed: default\/web\/last \(19s left\)$/,
      /^× CHK0501 certificates have expired: default\/web\/over \(at 2027-01-01T12:00:00\.000Z\)$/,
      /^× CHK0501 certificates are not valid yet: default\/web\/soon \(from 2027-01-01T12:00:01\.000Z\)$/,
    ],
  ],
  [
    'a certificate that was sent and not taken, or refused',
    {
      sidecars: [
        sidecar('default/web/a', { holding: { state: 'refused', error: 'no such curve' } }),
        sidecar('default/web/b', {
          holding: { state: 'sent', error: undefined },
          progress: 'pending',
          progressSince: NOW - 11_000,
        }),
        sidecar('default/web/c', {
          holding: { state: 'sent', error: undefined },
          progress: 'pending',
          progressSince: NOW,
        }),
        sidecar('default/web/d', { holding: { state: 'sent', error: undefined } }),
      ],
    },
    [
      /^× CHK0301/,
      /^‼ CHK0301/,
      /^√ CHK0501/,
      /^× CHK0511 default\/web\/a refused the new certificate: no such curve$/,
      /^‼ CHK0511 sent and not taken: the certificate of default\/web\/b$/,
    ],
  ],
  [
    'renewals that fail, each reason with its names',
    {
      failing: [
        { node: 'default/web/a', kind: 'issue', since: NOW - 60_000, tries: 7, why: 'disk full' },
        { node: 'default/web/b', kind: 'issue', since: NOW - 30_000, tries: 6, why: 'disk full' },
        { node: 'default/web/c', kind: 'refused', since: NOW, tries: 1, why: 'no such curve' },
      ],
    },
    [/^× CHK0512 for 1m no new certificate can be had for default\/web\/a, default\/web\/b: disk full$/],
  ],
  [
    'a clock that was set back',
    { clock: { behind: 7_200_000, lastJump: { at: NOW - 60_000, by: -7_200_000 }, drifting: [], telling: 0 } },
    [/^‼ CHK0513 this host's clock was set back: since 2027-01-01T11:59:00\.000Z it is 2h behind what it said before$/],
  ],
  [
    'sidecars whose clocks are off',
    {
      clock: {
        behind: 0,
        lastJump: undefined,
        drifting: [
          { node: 'default/web/a', ahead: -90_000, at: NOW },
          { node: 'default/web/b', ahead: 40_000, at: NOW },
        ],
        telling: 9,
      },
    },
    [
      /^× CHK0513 clock drift: default\/web\/a \(1m30s behind\)$/,
      /^‼ CHK0513 clock drift: default\/web\/b \(40s ahead\)$/,
    ],
  ],
  [
    'a clock of this host that all others disagree with',
    {
      clock: {
        behind: 0,
        lastJump: undefined,
        drifting: ['a', 'b'].map((name) => ({ node: `default/web/${name}`, ahead: 90_000, at: NOW })),
        telling: 2,
      },
    },
    [
      /^× CHK0513 clock drift: most sidecars .* disagree with this host in the same direction: default\/web\/a \(1m30s ahead\), default\/web\/b/,
    ],
  ],
  [
    'authorities that end',
    {
      authorities: [
        { role: 'root', notBefore: NOW - 3_620 * DAY, notAfter: NOW + 30 * DAY },
        { role: 'intermediate', notBefore: NOW - 250 * DAY, notAfter: NOW + 115 * DAY },
        authority('channel', 0),
      ],
    },
    [
      /^× CHK0502 the root of the mesh ends in 30d, at 2027-01-31T12:00:00\.000Z$/,
      /^‼ CHK0502 the issuing intermediate ends in 115d, at 2027-04-26T12:00:00\.000Z$/,
      /^× CHK0502 the channel CA expired at 2027-01-01T12:00:00\.000Z$/,
    ],
  ],
];

describe('signet check over certificates and clocks', () => {
  it('tells of a root of 90 days, as signers have them, when its next one is due and not all its life', () => {
    const marks = [19, 18, 8, 7].map((left) => {
      const root = { role: 'root', notBefore: NOW - (90 - left) * DAY, notAfter: NOW + left * DAY } as const;
      return changed({ authorities: [root] })[0]?.[0];
    });
    assert.deepEqual(marks, ['√', '‼', '‼', '×']);
  });

  for (const [what, facts, expected] of wrong) {
    it(`tells of ${what}`, () => {
      const lines = changed(facts);
      assert.equal(lines.length, expected.length, lines.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(lines[index] ?? '', pattern);
    });
  }
});

describe('what signet check advises where the issuing intermediate ends', () => {
  const advice = (facts: Partial<HealthFacts>): string =>
    checkHealth({
      ...HEALTHY,
      authorities: [{ role: 'intermediate', notBefore: NOW - 250 * DAY, notAfter: NOW + 115 * DAY }],
      ...facts,
    }).findings.find(({ code }) => code === 'CHK0502')?.action ?? '';
  const rotation = { ...HEALTHY.rotation, own: false };
  const signer = { name: 'the signer (exec sign.sh)', sign: 'intermediate', away: undefined, asked: 1 } as const;

  it('is what brings the next one, by who has the key of the root', () => {
    assert.match(advice({}), /`signet ca renew NS\/NAME`/);
    assert.match(advice({ rotation }), /^have the next one signed: `signet ca csr`, `signet ca import FILE`/);
    assert.match(advice({ rotation, signer }), /^the signer \(exec sign\.sh\) is to sign the next one.* CHK0510$/);
  });
});

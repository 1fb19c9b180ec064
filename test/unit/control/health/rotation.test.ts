import assert from 'node:assert/strict';
import type { Rotation } from '../../../../src/ca/rotation.ts';
import type { HealthFacts } from '../../../../src/control/health/facts.ts';
import { finding } from '../../../../src/control/health/finding.ts';
import { channelAnchors, rotation } from '../../../../src/control/health/rotation.ts';
import { NO_ROTATION } from '../../../support/idleRotation.ts';

const NOW = Date.UTC(2027, 0, 1, 12);
const DAY = 86_400_000;
const PLAN: Rotation = {
  id: '1',
  kind: 'root',
  step: 'issue',
  startedAt: NOW - 120_000,
  stepSince: NOW - 120_000,
  paused: false,
  reason: 'a test',
  from: 'old',
  to: 'new',
};
const rotating = (plan: Partial<Rotation>, more: Partial<HealthFacts['rotation']> = {}): HealthFacts['rotation'] => ({
  ...NO_ROTATION.rotation,
  at: NOW,
  plan: { ...PLAN, ...plan },
  gate: { open: false, waitingFor: [{ node: 'prod/web/a', why: 'is late', until: undefined }] },
  ...more,
});
const FACTS = { subject: '', serial: '1', notBefore: 0, notAfter: NOW + DAY, fingerprint: '' } as const;
const OLD_ANCHOR = { ...FACTS, kind: 'channel', state: 'old', since: 0, root: '1' } as const;

type Facts = Partial<Pick<HealthFacts, 'rotation' | 'channel'>>;

const look = (facts: Facts): readonly string[] => {
  // Nothing else is looked at here.
  const all = { ...NO_ROTATION, now: NOW, ...facts } as unknown as HealthFacts;
  return [rotation, channelAnchors].flatMap((check) =>
    check.look(all).map((line) => {
      const { level, code, message, pending } = finding(check, line);
      return `${{ ok: '√', warning: '‼', failure: '×' }[level]} ${code} ${message}${pending ? ' …' : ''}`;
    }),
  );
};

const CASES: readonly (readonly [name: string, facts: Facts, lines: readonly RegExp[]])[] = [
  [
    'a rotation that was begun a moment ago',
    { rotation: rotating({ stepSince: NOW - 900 }) },
    [
      /^‼ CHK0514 the rotation of the root is at its step issue since \S+Z and waits for 1 sidecar \(prod\/web\/a is late\) …$/,
    ],
  ],
  [
    'a rotation that stands still, and until when at most',
    { rotation: rotating({}) },
    [
      /^‼ CHK0514 .* is at its step issue since \S+Z \(2m\) and waits for 1 sidecar \(prod\/web\/a is late\), until they answer$/,
    ],
  ],
  [
    'a rotation that waits for who is away',
    {
      rotation: rotating({}, { gate: { open: false, waitingFor: [{ node: 'a', why: 'is away', until: NOW + DAY }] } }),
    },
    [/\(a is away\), at most until 2027-01-02T12:00:00\.000Z$/],
  ],
  [
    'a rotation that is paused',
    { rotation: rotating({ paused: true }) },
    [/^‼ CHK0514 the rotation of the root is paused at its step issue$/],
  ],
  [
    'a rotation that cannot be stored',
    { rotation: rotating({}, { trouble: 'disk full' }) },
    [/^‼ CHK0514 .*its next step could not be stored: disk full$/],
  ],
  [
    'a root that should have been replaced',
    { rotation: { ...NO_ROTATION.rotation, due: NOW - 1, heldOffUntil: NOW + 1 } },
    [/^‼ CHK0514 the root was .* on: it was aborted, and begins again at 2027-01-01T12:00:00\.001Z$/],
  ],
  [
    'a root that is to be replaced by a clock that may be wrong',
    { rotation: { ...NO_ROTATION.rotation, due: NOW - 1 } },
    [/^‼ CHK0514 the root was .* on: it begins once the clock has said so for as long as a certificate lives/],
  ],
  [
    'a root whose key is elsewhere and that nobody replaced',
    { rotation: { ...NO_ROTATION.rotation, due: NOW - 1, own: false } },
    [/^‼ CHK0514 the root was .* on: nobody has brought the next one$/],
  ],
  [
    'a root whose key is elsewhere and that should have been replaced',
    { rotation: { ...NO_ROTATION.rotation, due: NOW - 1, own: false, trouble: 'its key is not in Signet' } },
    [/^‼ CHK0514 the root was to be replaced from 2027-01-01T11:59:59\.999Z on: its key is not in Signet$/],
  ],
  [
    'an old anchor of the channel',
    { channel: { ...NO_ROTATION.channel, anchors: [OLD_ANCHOR], onlyOld: ['prod/web/a'] } },
    [/^‼ CHK0515 the channel has an old anchor; with it alone: prod\/web\/a$/],
  ],
];

describe('signet check over rotations', () => {
  it('is content while there are none, and says when the next root comes', () => {
    assert.deepEqual(look({}), [
      '√ CHK0514 no rotation is running; a new root is led in by itself from 2035-01-01T00:00:00.000Z on',
      '√ CHK0515 every bootstrap is to hold the one anchor of the channel',
    ]);
  });

  it('promises no root by itself where the key of the present one is elsewhere', () => {
    const [line] = look({ rotation: { ...NO_ROTATION.rotation, own: false } });
    assert.equal(
      line,
      '√ CHK0514 no rotation is running; the key of the root is not in Signet: its owner brings the next one, from 2035-01-01T00:00:00.000Z on',
    );
  });

  for (const [name, facts, lines] of CASES)
    it(`tells ${name}`, () => {
      const bad = look(facts).filter((line) => !line.startsWith('√'));
      assert.equal(bad.length, lines.length, bad.join('; '));
      for (const [at, line] of lines.entries()) assert.match(bad[at] ?? '', line);
    });
});

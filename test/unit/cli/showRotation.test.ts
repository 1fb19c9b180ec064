import assert from 'node:assert/strict';
import type { RotationAnswer } from '../../../src/admin/rotationResponses.ts';
import { showAgain, showChannel, showPlan, showPreview } from '../../../src/cli/commands/ca/showRotation.ts';

const NOW = Date.UTC(2027, 0, 1);
const ANSWER: RotationAnswer = {
  rotation: null,
  active: { root: 'aa', intermediate: 'bb' },
  scheduled: '2034-01-01T00:00:00.000Z',
  ownRoot: true,
  prepared: null,
  sidecars: { connected: 3, shown: 2, away: [] },
  channel: { anchors: [], onlyOld: [], away: [] },
};
const PLAN = {
  id: '0123abcd',
  kind: 'root',
  step: 'distribute',
  startedAt: '2027-01-01T00:00:00.000Z',
  stepSince: '2027-01-01T00:00:00.000Z',
  paused: false,
  reason: 'by hand',
  from: '1111111122',
  to: '3333333344',
  waitingFor: [],
  trouble: null,
} as const;

describe('what signet ca rotate shows', () => {
  it('is what was imported, where something was, and its steps', () => {
    assert.match(showPreview('root', ANSWER, NOW), /\na rotation of the root:\n {2}1 distribute/);
    const root = { kind: 'root', subject: 'O=Corp\nCN=Root' } as const;
    assert.match(
      showPreview('root', { ...ANSWER, prepared: root }, NOW),
      /\na rotation of the root, to the one that was imported \(O=Corp, CN=Root\):\n {2}1 distribute/,
    );
    const intermediate = { kind: 'intermediate', subject: 'CN=Sub' } as const;
    assert.match(
      showPreview('root', { ...ANSWER, prepared: intermediate }, NOW),
      /\na rotation of the intermediate, to the one that was imported \(CN=Sub\):\n {2}1 issue/,
    );
  });

  it('promises no root by itself where its key is elsewhere', () => {
    assert.match(showPreview('root', ANSWER, NOW), /led in by itself at 2034/);
    assert.match(
      showPreview('root', { ...ANSWER, ownRoot: false }, NOW),
      /\nthe key of the root is not in Signet: its owner brings the next one, best from 2034-\S+ on\n(.*\n)*.*nothing can be begun before/,
    );
  });

  it('says from which CA to which, and how not to wait for what is gone', () => {
    assert.match(
      showPlan(PLAN, NOW, ANSWER.sidecars),
      /^rotation 0123abcd of the root from 11111111 to 33333333, since .*: by hand\n/,
    );
    assert.doesNotMatch(showPlan(PLAN, NOW, ANSWER.sidecars), /token/);
    const away = { node: 'prod/web/a', why: 'has not ACKed, and is away', until: null };
    assert.match(
      showPlan({ ...PLAN, waitingFor: [away] }, NOW, ANSWER.sidecars),
      /\n {2}what is gone for good .*`signet token list`$/,
    );
  });

  it('says how many Envoys themselves show what was ACKed, once there is something to show', () => {
    assert.doesNotMatch(showPlan(PLAN, NOW, ANSWER.sidecars), /certs/);
    assert.match(
      showPlan({ ...PLAN, step: 'issue' }, NOW, ANSWER.sidecars),
      /\n {4}2 of 3 connected sidecars show what they ACKed in their Envoy's own \/certs\n/,
    );
  });

  it('asks for new bootstraps only where somebody may need one', () => {
    const slot = { kind: 'channel', subject: 'CN=C', notAfter: '2034-01-01T00:00:00.000Z', secondsLeft: 1 };
    const anchors = (['old', 'active'] as const).map((state) => ({ ...slot, state, serial: state }));
    const shown = (onlyOld: readonly string[]): string =>
      showChannel({ ...ANSWER, channel: { anchors: anchors as never, onlyOld, away: [] } }, false);
    assert.match(shown(['prod/web/a']), /\ngive each of them a new bootstrap/);
    assert.match(
      shown([]),
      /\nnobody is known to need it; count bootstraps .*\nthen `signet ca rotate --channel --retire`/,
    );
  });

  it('is that an abort does not last where the signer signs with the root that it led to', () => {
    const [name, away] = ['the signer (exec sign.sh)', null];
    const root = { kind: 'root', subject: 'CN=Root' } as const;
    const dropped = { ...ANSWER, prepared: root };
    assert.match(
      showAgain(dropped, { name, away, sign: 'leaves' }) ?? '',
      /^! .* if the signer \(exec sign\.sh\) signs .* begins again with the next certificate that is due\. Name another signer .*`signet ca rotate --pause`$/,
    );
    assert.match(
      showAgain({ ...ANSWER, rotation: PLAN }, { name, away, sign: 'intermediate' }) ?? '',
      /within seconds/,
    );
    for (const other of [ANSWER, { ...ANSWER, rotation: { ...PLAN, kind: 'intermediate' } as const }])
      assert.equal(showAgain(other, { name, away, sign: 'leaves' }), undefined);
  });
});

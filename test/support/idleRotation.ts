import type { RotationPort } from '../../src/admin/rotationRoutes.ts';
import type { AuthorityStatus } from '../../src/ca/authority.ts';
import { channelRotation } from '../../src/control/rotation/channel.ts';
import type { RotationReport } from '../../src/control/rotation/loop.ts';
import { AppError } from '../../src/lib/errors.ts';
import { FakeClock } from './fakeClock.ts';

export const IDLE: RotationReport = {
  at: 0,
  plan: undefined,
  gate: undefined,
  connected: 0,
  shown: 0,
  away: [],
  due: Date.UTC(2035, 0, 1),
  heldOffUntil: 0,
  own: true,
  prepared: undefined,
  trouble: undefined,
};

/** Rotations of an authority that cannot be rotated. */
export const idleRotation = (describe: () => AuthorityStatus): RotationPort => {
  const no = () => Promise.reject(new AppError('rotation_refused', 'no rotation is running'));
  const loop = { report: () => IDLE, begin: no, pause: no, resume: no, abort: no };
  const channel = channelRotation({
    clock: new FakeClock(),
    log: { info: () => {}, warn: () => {}, error: () => {} },
    authority: {
      slots: () => [],
      credentialsByAnchor: () => [],
      rotation: { prepare: no, activate: no, abort: no, retire: no, restorePrevious: no },
    },
    sidecars: () => [],
    away: () => [],
    onAnchors: () => {},
  });
  return { loop, channel, describe };
};

/** What `signet check` is told of CAs at rest. */
export const NO_ROTATION = {
  authorities: [],
  rotation: IDLE,
  channel: { anchors: [], onlyOld: [], away: [] },
} as const;

import type { RotationPort } from '../admin/rotationRoutes.ts';
import type { Clock } from '../control/clock.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import type { Log } from '../control/log.ts';
import { channelRotation } from '../control/rotation/channel.ts';
import { askEnvoySerials } from '../control/rotation/envoyCerts.ts';
import { RotationLoop } from '../control/rotation/loop.ts';
import type { Certificates } from './certificates.ts';

/** What leads rotations of the mesh's CAs and of the channel's. The loop looks at nothing before it is started. */
export const openRotations = (options: {
  readonly clock: Clock;
  readonly log: Log;
  readonly certificates: Certificates;
  readonly control: ControlPlane;
  /** What the xDS listener shows or takes is to be others. */
  readonly onCertificates: () => void;
  /** New bootstraps hold other anchors. */
  readonly onAnchors: () => void;
}): RotationPort & { readonly loop: RotationLoop } => {
  const { clock, log, certificates, control, onCertificates, onAnchors } = options;
  const { authority, channel, svids } = certificates;
  const loop = new RotationLoop({
    clock,
    log,
    authority,
    issued: svids.list,
    ...control.rotation,
    onRoots: () => {
      control.secretsChanged();
      onCertificates();
    },
    askEnvoy: askEnvoySerials,
  });
  return {
    loop,
    describe: authority.describe,
    channel: channelRotation({
      clock,
      log,
      authority: channel,
      sidecars: control.rotation.anchorsKnown,
      away: control.rotation.away,
      onAnchors: () => {
        onCertificates();
        onAnchors();
      },
    }),
  };
};

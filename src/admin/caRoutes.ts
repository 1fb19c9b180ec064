import type { FastifyInstance } from 'fastify';
import type { AuthorityStatus, CertificateFacts, SlotFacts } from '../ca/authority.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { iso } from '../control/status.ts';
import type { TrustBundle } from '../spiffe/svid.ts';
import { certificateAnswer, slotAnswer } from './caAnswers.ts';
import { refuse } from './guards.ts';
import { renewRequest } from './requests.ts';
import type { BundleAnswer, CaAnswer, RenewAnswer } from './responses.ts';
import { type RotationPort, rotationAnswer, rotationRoutes } from './rotationRoutes.ts';
import { askStatus } from './tokenRoutes.ts';

/** What operators may see of the certificate authorities. */
export type CaPort = {
  readonly describe: () => AuthorityStatus;
  readonly describeChannel: () => CertificateFacts;
  /** All anchors of the channel. */
  readonly channelSlots: () => readonly SlotFacts[];
  readonly bundle: () => TrustBundle;
  readonly rotation: RotationPort;
};

export const caRoutes = (app: FastifyInstance, control: ControlPlane, ca: CaPort): void => {
  app.get('/api/v1/ca', (): CaAnswer => {
    const { trustDomain, generation, root, intermediate, slots } = ca.describe();
    const { rotation } = rotationAnswer(ca.rotation);
    return {
      trustDomain,
      root: certificateAnswer(root),
      intermediate: certificateAnswer(intermediate),
      channel: certificateAnswer(ca.describeChannel()),
      generation,
      slots: [...slots, ...ca.channelSlots()].map(slotAnswer),
      rotation:
        rotation === null
          ? null
          : {
              id: rotation.id,
              kind: rotation.kind,
              step: rotation.step,
              paused: rotation.paused,
              waitingFor: rotation.waitingFor.length,
            },
    };
  });

  app.get('/api/v1/ca/bundle', (): BundleAnswer => {
    const { trustDomain, authorities } = ca.bundle();
    return { trustDomain, authorities };
  });

  rotationRoutes(app, ca.rotation);

  app.post('/api/v1/ca/renew', async (request, reply) => {
    const renewed = await control.renew(renewRequest.parse(request.body).service);
    if (!renewed.ok) return refuse(reply, askStatus(renewed.error), renewed.error.code, renewed.error.message);
    const answer: RenewAnswer = {
      renewed: renewed.value.map(({ node, svid }) => ({ node, serial: svid.serial, notAfter: iso(svid.notAfter) })),
    };
    return reply.send(answer);
  });
};

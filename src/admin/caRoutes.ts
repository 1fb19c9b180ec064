import type { FastifyInstance } from 'fastify';
import type { AuthorityStatus, CertificateFacts, SlotFacts } from '../ca/authority.ts';
import type { ImportControl } from '../ca/importControl.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { iso } from '../lib/time.ts';
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
  readonly imports: ImportControl;
  readonly rotation: RotationPort;
};

const signerAnswer = (signer: AuthorityStatus['signer']): CaAnswer['signer'] => {
  if (signer === undefined) return null;
  const { name, sign, away } = signer;
  return { name, sign, away: away === undefined ? null : { since: iso(away.since), why: away.why } };
};

export const caRoutes = (app: FastifyInstance, control: ControlPlane, ca: CaPort): void => {
  app.get('/api/v1/ca', (): CaAnswer => {
    const { generation, root, intermediate, slots, requested, signer } = ca.describe();
    const { trustDomain, trustDomainAliases, trust } = control.meshState().mesh;
    const { rotation } = rotationAnswer(ca.rotation);
    return {
      trustDomain,
      aliases: trustDomainAliases,
      trusted: trust.map(({ trustDomain, file, ends }) => ({
        ...{ trustDomain, file, roots: ends.length },
        notAfter: iso(Math.max(...ends)),
      })),
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
      signer: signerAnswer(signer),
      request: requested === undefined ? null : { since: iso(requested) },
    };
  });

  app.get('/api/v1/ca/bundle', (): BundleAnswer => {
    const { trustDomain, authorities } = ca.bundle();
    return { trustDomain, sequence: ca.describe().generation, authorities };
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

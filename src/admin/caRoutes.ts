import type { FastifyInstance } from 'fastify';
import type { AuthorityStatus, CertificateFacts, SlotFacts } from '../ca/authority.ts';
import type { ImportControl } from '../ca/importControl.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { iso } from '../control/status.ts';
import type { TrustBundle } from '../spiffe/svid.ts';
import { refuse } from './guards.ts';
import { renewRequest } from './requests.ts';
import type { BundleAnswer, CaAnswer, CertificateAnswer, RenewAnswer, SlotAnswer } from './responses.ts';
import { askStatus } from './tokenRoutes.ts';

/** What operators may see of the certificate authorities. */
export type CaPort = {
  readonly describe: () => AuthorityStatus;
  readonly describeChannel: () => CertificateFacts;
  /** All anchors of the channel. */
  readonly channelSlots: () => readonly SlotFacts[];
  readonly bundle: () => TrustBundle;
  readonly imports: ImportControl;
};

export const certificateAnswer = (facts: CertificateFacts): CertificateAnswer => ({
  subject: facts.subject,
  serial: facts.serial,
  notBefore: iso(facts.notBefore),
  notAfter: iso(facts.notAfter),
  fingerprint: facts.fingerprint,
});

const signerAnswer = (signer: AuthorityStatus['signer']): CaAnswer['signer'] => {
  if (signer === undefined) return null;
  const { name, sign, away } = signer;
  return { name, sign, away: away === undefined ? null : { since: iso(away.since), why: away.why } };
};

const slot = (facts: SlotFacts): SlotAnswer => ({
  kind: facts.kind,
  state: facts.state,
  since: facts.since === 0 ? null : iso(facts.since),
  root: facts.root,
  ...certificateAnswer(facts),
});

export const caRoutes = (app: FastifyInstance, control: ControlPlane, ca: CaPort): void => {
  app.get('/api/v1/ca', (): CaAnswer => {
    const { trustDomain, generation, root, intermediate, slots, requested, signer } = ca.describe();
    return {
      trustDomain,
      root: certificateAnswer(root),
      intermediate: certificateAnswer(intermediate),
      channel: certificateAnswer(ca.describeChannel()),
      generation,
      slots: [...slots, ...ca.channelSlots()].map(slot),
      signer: signerAnswer(signer),
      request: requested === undefined ? null : { since: iso(requested) },
    };
  });

  app.get('/api/v1/ca/bundle', (): BundleAnswer => {
    const { trustDomain, authorities } = ca.bundle();
    return { trustDomain, authorities };
  });

  app.post('/api/v1/ca/renew', async (request, reply) => {
    const renewed = await control.renew(renewRequest.parse(request.body).service);
    if (!renewed.ok) return refuse(reply, askStatus(renewed.error), renewed.error.code, renewed.error.message);
    const answer: RenewAnswer = {
      renewed: renewed.value.map(({ node, svid }) => ({ node, serial: svid.serial, notAfter: iso(svid.notAfter) })),
    };
    return reply.send(answer);
  });
};

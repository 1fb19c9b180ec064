import type { FastifyInstance } from 'fastify';
import type { AuthorityStatus, CertificateFacts, SlotFacts } from '../ca/authority.ts';
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
};

const certificate = (facts: CertificateFacts): CertificateAnswer => ({
  subject: facts.subject,
  serial: facts.serial,
  notBefore: iso(facts.notBefore),
  notAfter: iso(facts.notAfter),
  fingerprint: facts.fingerprint,
});

const slot = (facts: SlotFacts): SlotAnswer => ({
  kind: facts.kind,
  state: facts.state,
  since: facts.since === 0 ? null : iso(facts.since),
  root: facts.root,
  ...certificate(facts),
});

export const caRoutes = (app: FastifyInstance, control: ControlPlane, ca: CaPort): void => {
  app.get('/api/v1/ca', (): CaAnswer => {
    const { generation, root, intermediate, slots } = ca.describe();
    const { trustDomain, trustDomainAliases, trust } = control.meshState().mesh;
    return {
      trustDomain,
      aliases: trustDomainAliases,
      trusted: trust.map(({ trustDomain, file, ends }) => ({
        ...{ trustDomain, file, roots: ends.length },
        notAfter: iso(Math.max(...ends)),
      })),
      root: certificate(root),
      intermediate: certificate(intermediate),
      channel: certificate(ca.describeChannel()),
      generation,
      slots: [...slots, ...ca.channelSlots()].map(slot),
    };
  });

  app.get('/api/v1/ca/bundle', (): BundleAnswer => {
    const { trustDomain, authorities } = ca.bundle();
    return { trustDomain, sequence: ca.describe().generation, authorities };
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

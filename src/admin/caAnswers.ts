import type { CertificateFacts, SlotFacts } from '../ca/authority.ts';
import { iso } from '../lib/time.ts';
import type { CertificateAnswer, SlotAnswer } from './responses.ts';

export const certificateAnswer = (facts: CertificateFacts): CertificateAnswer => ({
  subject: facts.subject,
  serial: facts.serial,
  notBefore: iso(facts.notBefore),
  notAfter: iso(facts.notAfter),
  fingerprint: facts.fingerprint,
});

export const slotAnswer = (facts: SlotFacts): SlotAnswer => ({
  kind: facts.kind,
  state: facts.state,
  since: facts.since === 0 ? null : iso(facts.since),
  root: facts.root,
  ...certificateAnswer(facts),
});

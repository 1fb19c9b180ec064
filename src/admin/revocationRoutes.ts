import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ControlPlane } from '../control/controlPlane.ts';
import type { RevocationAnswer } from '../control/revocation/answer.ts';
import { plainSerial } from '../control/revocation/target.ts';
import type { CaPort } from './caRoutes.ts';
import { refuse } from './guards.ts';
import { revocationRequest } from './requests.ts';

const actId = z.strictObject({ act: z.string().regex(/^[0-9a-f]{16}$/, 'must be the id of a revocation') });

/** Revocation of workload certificates and identities. */
export const revocationRoutes = (app: FastifyInstance, { revocation }: ControlPlane, ca: CaPort): void => {
  app.post('/api/v1/ca/revocations', async (request, reply) => {
    const { what, reason, cut, dryRun } = revocationRequest.parse(request.body);
    const ask = { what, reason, cut };
    const done = dryRun ? revocation.preview(ask) : await revocation.revoke(ask);
    if (done.ok) return reply.code(dryRun ? 200 : 201).send(done.value);
    const { code, message } = done.error;
    const isAuthority = [...ca.describe().slots, ...ca.channelSlots()].some(
      ({ serial }) => serial === plainSerial(what),
    );
    const words = isAuthority
      ? `${what} is an authority of this mesh: it is replaced by \`signet ca rotate\``
      : message;
    return refuse(reply, code === 'invalid_request' ? 400 : 404, code, words);
  });

  app.get('/api/v1/ca/revocations/:act', (request, reply) => {
    const { act } = actId.parse(request.params);
    const answer: RevocationAnswer | undefined = revocation.answer(act);
    if (answer !== undefined) return reply.send(answer);
    return refuse(reply, 404, 'unknown_revocation', `there is no revocation ${act}`);
  });
};

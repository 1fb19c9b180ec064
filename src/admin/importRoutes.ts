import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { ImportControl } from '../ca/importControl.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { AppError } from '../lib/errors.ts';
import { iso } from '../lib/time.ts';
import { certificateAnswer } from './caAnswers.ts';
import { refuse } from './guards.ts';
import type { CsrAnswer, ImportAnswer } from './responses.ts';

export const csrRequest = z.strictObject({ new: z.boolean().default(false) });
export const importRequest = z.strictObject({ chain: z.string() });

const STATUS: Readonly<Record<string, number>> = {
  chain_refused: 422,
  no_request: 409,
  rotation_refused: 409,
  signer_signs: 409,
};

/** What the operator can mend is no failure of Signet's. */
const answered = async <T>(reply: FastifyReply, work: () => Promise<T>): Promise<T | FastifyReply> => {
  try {
    return await work();
  } catch (error) {
    const status = error instanceof AppError ? STATUS[error.code] : undefined;
    if (status === undefined || !(error instanceof AppError)) throw error;
    return refuse(reply, status, error.code, error.message);
  }
};

/** An intermediate that is signed elsewhere. */
export const importRoutes = (app: FastifyInstance, control: ControlPlane, imports: ImportControl): void => {
  app.post('/api/v1/ca/csr', (request, reply) =>
    answered(reply, async (): Promise<CsrAnswer> => {
      const { csr, since } = await imports.request(csrRequest.parse(request.body).new, control.now());
      return { csr, since: iso(since) };
    }),
  );

  app.post('/api/v1/ca/import', (request, reply) =>
    answered(reply, async (): Promise<ImportAnswer> => {
      const { chain } = importRequest.parse(request.body);
      const { root, rootIsNew, intermediate } = await imports.take(chain, control.now());
      // A new root, for every sidecar to trust before it signs anything.
      control.secretsChanged();
      return { root: certificateAnswer(root), rootIsNew, intermediate: certificateAnswer(intermediate) };
    }),
  );
};

import type { FastifyInstance } from 'fastify';
import type { ImportControl } from '../ca/importControl.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { iso } from '../lib/time.ts';
import { certificateAnswer } from './caAnswers.ts';
import { answered } from './guards.ts';
import { csrRequest, importRequest } from './requests.ts';
import type { CsrAnswer, ImportAnswer } from './responses.ts';

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

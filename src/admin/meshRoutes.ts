import type { FastifyInstance } from 'fastify';
import { can } from '../control/can.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { iso } from '../lib/time.ts';
import { refuse } from './guards.ts';
import { canRequest } from './requests.ts';
import type { MeshAnswer, XdsAnswer } from './responses.ts';

/** What is served, and to whom. */
export const meshRoutes = (app: FastifyInstance, control: ControlPlane): void => {
  app.get('/api/v1/status', () => control.status());
  app.get('/api/v1/mesh', (): MeshAnswer => {
    const { mesh, file, loadedAt, warnings, problem } = control.meshState();
    return {
      file,
      revision: mesh.revision,
      trustDomain: mesh.trustDomain,
      loadedAt: iso(loadedAt),
      services: [...mesh.services.keys()],
      warnings,
      problem:
        problem === undefined
          ? null
          : { since: iso(problem.since), message: problem.message, diagnostics: problem.diagnostics },
    };
  });
  app.get('/api/v1/xds', (): XdsAnswer => {
    const { xds = null, ...known } = control.bootstraps.channel();
    return { address: xds, ...known };
  });
  app.post('/api/v1/can', (request, reply) => {
    const answer = can(control.meshState().mesh, Date.now(), canRequest.parse(request.body), (id) =>
      control.revocation.noteOn(id),
    );
    return answer.ok ? reply.send(answer.value) : refuse(reply, 400, 'invalid_request', answer.error);
  });
};

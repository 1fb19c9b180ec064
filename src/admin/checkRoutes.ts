import type { FastifyInstance } from 'fastify';
import type { ControlPlane } from '../control/controlPlane.ts';
import { authorityFacts } from '../control/health/authorities.ts';
import { checkHealth } from '../control/health/checks.ts';
import type { CaPort } from './caRoutes.ts';
import { version } from './version.ts';

/** The health of the whole mesh. */
export const checkRoutes = (app: FastifyInstance, control: ControlPlane, ca: CaPort): void => {
  const own = version();
  app.get('/api/v1/check', async () => {
    const facts = await control.health();
    const mesh = ca.describe();
    const { loop, channel } = ca.rotation;
    return checkHealth({
      ...facts,
      version: own,
      authorities: authorityFacts(mesh, ca.describeChannel()),
      signer: mesh.signer,
      rotation: loop.report(),
      channel: channel.report(),
    });
  });
};

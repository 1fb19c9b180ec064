import type { FastifyInstance } from 'fastify';
import type { ControlPlane } from '../control/controlPlane.ts';
import { checkHealth } from '../control/health/checks.ts';
import type { CaPort } from './caRoutes.ts';
import { version } from './version.ts';

/** The health of the whole mesh. */
export const checkRoutes = (app: FastifyInstance, control: ControlPlane, ca: CaPort): void => {
  const own = version();
  app.get('/api/v1/check', async () => {
    const facts = await control.health();
    const { root, intermediate } = ca.describe();
    const authorities = [
      { role: 'root', ...root },
      { role: 'intermediate', ...intermediate },
      { role: 'channel', ...ca.describeChannel() },
    ] as const;
    const { loop, channel } = ca.rotation;
    return checkHealth({ ...facts, version: own, authorities, rotation: loop.report(), channel: channel.report() });
  });
};

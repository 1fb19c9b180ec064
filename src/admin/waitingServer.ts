import fastify from 'fastify';
import type { HostPort } from '../lib/hostPort.ts';
import type { Secret } from '../lib/secret.ts';
import { guard, refuse } from './guards.ts';
import { type AdminServer, listenOn } from './server.ts';

/** What the world may read; why stands behind the admin token, for a signer's words can hold anything. */
const NOT_READY = 'the mesh has not begun, because its signer has not signed for it: see the log\n';

/**
 * The admin port while a first start waits: it lives, is not ready, and answers everything else with `why`, whose last
 * `: ` is followed by what to do.
 * @throws AppError `listen_failed` if the address cannot be bound.
 */
export const startWaitingServer = (options: {
  readonly listen: HostPort;
  readonly token: Secret;
  readonly why: () => string;
}): Promise<AdminServer> => {
  const { listen, token, why } = options;
  const app = fastify({ forceCloseConnections: true, requestTimeout: 30_000 });
  guard(app, listen.host, token);
  // Another server takes its place, and nobody's kept connection is to break by that.
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('connection', 'close');
  });
  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', (_request, reply) => reply.code(503).type('text/plain').send(NOT_READY));
  app.setNotFoundHandler((_request, reply) => refuse(reply, 503, 'not_begun', why()));
  return listenOn(app, listen);
};

import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { type AskRefusal, ENVOY_COMMAND } from '../control/bootstraps.ts';
import type { ControlPlane } from '../control/controlPlane.ts';
import { reveal } from '../lib/secret.ts';
import { iso } from '../lib/time.ts';
import { refuse } from './guards.ts';
import { bootstrapRequest, tokenRequest } from './requests.ts';
import type { BootstrapMade, TokenCreated, TokenList } from './responses.ts';

export const askStatus = (refusal: AskRefusal): number => (refusal.code === 'unknown_service' ? 404 : 400);

const tokenId = z.strictObject({ id: z.string().regex(/^[0-9a-f]{16}$/, 'must be the id of a token') });

/** Join tokens, and the bootstraps that carry them. */
export const tokenRoutes = (app: FastifyInstance, control: ControlPlane): void => {
  app.post('/api/v1/tokens', async (request, reply) => {
    const { service, ttl, uses } = tokenRequest.parse(request.body);
    const created = await control.createToken(service, ttl, uses);
    if (!created.ok) return refuse(reply, askStatus(created.error), created.error.code, created.error.message);
    const { record, token } = created.value;
    const { id, expires } = record;
    const answer: TokenCreated = { id, token: reveal(token), service, expires: iso(expires), uses };
    return reply.code(201).header('cache-control', 'no-store').send(answer);
  });

  app.get(
    '/api/v1/tokens',
    (): TokenList => ({
      tokens: control.listTokens().map((token) => ({
        id: token.id,
        service: token.service,
        createdAt: iso(token.createdAt),
        expires: iso(token.expires),
        uses: token.uses,
        joined: token.joined,
        revokedAt: token.revokedAt === undefined ? null : iso(token.revokedAt),
        instances: token.instances.map(({ node, joinedAt, lastSeen }) => ({
          node,
          joinedAt: iso(joinedAt),
          lastSeen: iso(lastSeen),
        })),
      })),
    }),
  );

  app.delete('/api/v1/tokens/:id', async (request, reply) => {
    const { id } = tokenId.parse(request.params);
    if (await control.revokeToken(id)) return reply.code(204).send();
    return refuse(reply, 404, 'unknown_token', `there is no token ${id}`);
  });

  app.post('/api/v1/bootstraps', async (request, reply) => {
    const issued = await control.bootstraps.issue(bootstrapRequest.parse(request.body));
    if (!issued.ok) return refuse(reply, askStatus(issued.error), issued.error.code, issued.error.message);
    const { node, bootstrap, join } = issued.value;
    const answer: BootstrapMade = {
      node,
      bootstrap,
      command: ENVOY_COMMAND,
      ...(join === undefined ? {} : { join: { ...join, token: reveal(join.token) } }),
    };
    return reply.code(201).header('cache-control', 'no-store').send(answer);
  });
};

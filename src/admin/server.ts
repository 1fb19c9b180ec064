import fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { ZodError } from 'zod';
import type { ControlPlane } from '../control/controlPlane.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { type HostPort, showHostPort } from '../lib/hostPort.ts';
import type { Secret } from '../lib/secret.ts';
import { type CaPort, caRoutes } from './caRoutes.ts';
import { certificateRoutes } from './certificateRoutes.ts';
import { checkRoutes } from './checkRoutes.ts';
import { guard, refuse } from './guards.ts';
import { importRoutes } from './importRoutes.ts';
import { meshRoutes } from './meshRoutes.ts';
import { openApi } from './openApi.ts';
import { revocationRoutes } from './revocationRoutes.ts';
import { newScrape } from './scrape.ts';
import { tokenRoutes } from './tokenRoutes.ts';

export type AdminOptions = {
  readonly listen: HostPort;
  readonly token: Secret;
  readonly control: ControlPlane;
  readonly ca: CaPort;
  readonly registry: Registry;
  readonly onError: (error: unknown) => void;
};

export type AdminServer = {
  readonly address: () => HostPort;
  readonly close: () => Promise<void>;
};

/**
 * The admin API, health and metrics over HTTP.
 * @throws AppError `listen_failed` if the address cannot be bound.
 */
export const startAdminServer = async (options: AdminOptions): Promise<AdminServer> => {
  const schemaController = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } };
  const app = fastify({ bodyLimit: 256 * 1024, forceCloseConnections: true, requestTimeout: 30_000, schemaController });
  guard(app, options.listen.host, options.token);
  errors(app, options.onError);
  health(app, options);
  meshRoutes(app, options.control);
  tokenRoutes(app, options.control);
  caRoutes(app, options.control, options.ca);
  certificateRoutes(app, options.control, options.ca);
  importRoutes(app, options.control, options.ca.imports);
  revocationRoutes(app, options.control, options.ca);
  checkRoutes(app, options.control, options.ca);
  app.get('/api/v1/openapi.json', () => openApi());
  return listenOn(app, options.listen);
};

/** @throws AppError `listen_failed`, after it was closed */
export const listenOn = async (app: FastifyInstance, listen: HostPort): Promise<AdminServer> => {
  const { host, port } = listen;
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const message = `cannot listen for the admin API on ${showHostPort(listen)}: ${messageOf(error)}`;
    throw new AppError('listen_failed', message, { cause: error });
  }
  const found = app.server.address();
  const bound = typeof found === 'object' && found !== null ? found.port : port;
  return { address: () => ({ host, port: bound }), close: () => app.close() };
};

/** Bodies are read by zod. Fastify's compilers of JSON Schemas, which it would load at once, are a MiB of heap that nobody needs. */
const noSchemas = (): never => {
  throw new Error('routes of the admin API have no JSON Schemas');
};

const health = (app: FastifyInstance, { control, registry }: AdminOptions): void => {
  app.get('/livez', (_request, reply) => reply.type('text/plain').send('ok\n'));
  // Ready is to serve a good mesh; that the file on disk is another one is told by `status`, and is no outage.
  app.get('/readyz', async (_request, reply) => {
    control.meshState();
    const ready = await control.canStore();
    const text = ready ? 'ok\n' : 'the store takes no writes, so no sidecar can join: see the log\n';
    return reply
      .code(ready ? 200 : 503)
      .type('text/plain')
      .send(text);
  });
  const scrape = newScrape(registry);
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await scrape()));
};

const errors = (app: FastifyInstance, onError: (error: unknown) => void): void => {
  app.setNotFoundHandler((_request, reply) => refuse(reply, 404, 'not_found', 'there is nothing here'));
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof ZodError) {
      const problems = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
      return refuse(reply, 400, 'invalid_request', problems.join('; '));
    }
    const status = statusOf(error);
    if (status < 500) return refuse(reply, status, 'invalid_request', messageOf(error));
    onError(error);
    if (error instanceof AppError) return refuse(reply, 503, error.code, error.message);
    return refuse(reply, 500, 'internal', 'something went wrong inside Signet: see its log');
  });
};

const statusOf = (error: unknown): number =>
  typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : 500;

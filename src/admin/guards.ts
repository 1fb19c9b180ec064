import type { FastifyInstance, FastifyReply } from 'fastify';
import { bearerCheck } from '../lib/bearer.ts';
import { AppError } from '../lib/errors.ts';
import { parseHostPort } from '../lib/hostPort.ts';
import type { Secret } from '../lib/secret.ts';
import type { ErrorAnswer } from './responses.ts';

/** Answers with an error in the one shape that errors have. */
export const refuse = (reply: FastifyReply, status: number, code: string, message: string): FastifyReply => {
  const answer: ErrorAnswer = { error: { code, message } };
  return reply.code(status).send(answer);
};

/** What a rule of the authority forbids, and what a chain lacks. */
const STATUS: Readonly<Record<string, number>> = {
  chain_refused: 422,
  no_request: 409,
  rotation_refused: 409,
  signer_signs: 409,
};

/** What the operator can mend is an answer; whatever else goes wrong is for the server's own handler. */
export const answered = async <T>(reply: FastifyReply, work: () => Promise<T>): Promise<T | FastifyReply> => {
  try {
    return await work();
  } catch (error) {
    const status = error instanceof AppError ? STATUS[error.code] : undefined;
    if (status === undefined || !(error instanceof AppError)) throw error;
    return refuse(reply, status, error.code, error.message);
  }
};

// By the route that was found and never by the text of the path, for the router decodes `/%61pi/…` to `/api/…`.
// Everything else needs the token, what is not found included.
const OPEN: ReadonlySet<string> = new Set(['/livez', '/readyz', '/metrics']);

/**
 * Nothing but health and metrics without the admin token, and nothing at all under a foreign name: a page in a browser
 * that had its name resolved to this address (DNS rebinding) shows in the Host header.
 */
export const guard = (app: FastifyInstance, host: string, token: Secret): void => {
  const isAdmin = bearerCheck(token);
  app.addHook('onRequest', async (request, reply) => {
    if (!isOwnName(request.headers.host, host)) {
      return refuse(reply, 421, 'misdirected', 'this is the admin API of Signet, under another name');
    }
    if (OPEN.has(request.routeOptions.url ?? '')) return undefined;
    if (isAdmin(request.headers.authorization)) return undefined;
    reply.header('www-authenticate', 'Bearer');
    return refuse(reply, 401, 'unauthorized', 'the admin token is missing or wrong');
  });
};

const isOwnName = (header: string | undefined, own: string): boolean => {
  if (header === undefined) return false;
  const name = (parseHostPort(header)?.host ?? header.replace(/^\[(.*)\]$/, '$1')).toLowerCase();
  return name === own.toLowerCase() || name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
};

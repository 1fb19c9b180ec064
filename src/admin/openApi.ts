import { z } from 'zod';
import {
  bundleAnswer,
  caAnswer,
  csrAnswer,
  importAnswer,
  issuedList,
  renewAnswer,
  revocationAnswer,
  rotationAnswer,
} from './caSchemas.ts';
import {
  bootstrapRequest,
  canRequest,
  channelRequest,
  csrRequest,
  importRequest,
  renewRequest,
  revocationRequest,
  rotationRequest,
  tokenRequest,
} from './requests.ts';
import {
  canAnswer,
  fleetStatus,
  healthReport,
  jsonSchema,
  meshAnswer,
  tokenCreated,
  tokenList,
  xdsAnswer,
} from './schemas.ts';

const body = (schema: z.ZodType): object => ({
  required: true,
  content: { 'application/json': { schema: z.toJSONSchema(schema, { io: 'input', target: 'openapi-3.0' }) } },
});

const json = (description: string, schema?: z.ZodType): object => ({
  description,
  content: { 'application/json': schema === undefined ? {} : { schema: jsonSchema(schema, 'openapi-3.0') } },
});

const failures = {
  '400': json('The request is not understood: `error.message` says why.'),
  '401': json('The admin token is missing or wrong.'),
};

const get = (summary: string, schema?: z.ZodType): object => ({
  get: { summary, responses: { '200': json('OK', schema), ...failures } },
});

const caPaths = (): object => ({
  '/api/v1/ca': get('The certificate authorities', caAnswer),
  '/api/v1/ca/bundle': get('The trust bundle', bundleAnswer),
  '/api/v1/ca/certificates': get('Every certificate that was issued and has not ended', issuedList),
  '/api/v1/ca/renew': {
    post: {
      summary: 'New certificates for every connected instance of a service',
      requestBody: body(renewRequest),
      responses: {
        '200': json('Serials of the new certificates', renewAnswer),
        '404': json('No such service'),
        ...failures,
      },
    },
  },
  '/api/v1/ca/csr': {
    post: {
      summary: 'The pending request for an intermediate that is signed elsewhere, made if there is none',
      requestBody: body(csrRequest),
      responses: { '200': json('The request', csrAnswer), ...failures },
    },
  },
  '/api/v1/ca/import': {
    post: {
      summary: 'Takes the chain for the pending request and prepares it',
      requestBody: body(importRequest),
      responses: {
        '200': json('What was prepared', importAnswer),
        '409': json('No request is pending, or a rotation is running'),
        '422': json('The chain is refused: `error.message` says why'),
        ...failures,
      },
    },
  },
  '/api/v1/ca/rotation': {
    ...get('The rotation of the CAs: its step, for whom it waits and until when', rotationAnswer),
    post: {
      summary: 'Starts, pauses, resumes or aborts a rotation of the root or the intermediate',
      requestBody: body(rotationRequest),
      responses: { '200': json('As it is now', rotationAnswer), '409': json('A rule forbids it'), ...failures },
    },
  },
  '/api/v1/ca/channel': {
    post: {
      summary: 'Begins, aborts or ends a rotation of the channel CA',
      requestBody: body(channelRequest),
      responses: { '200': json('As it is now', rotationAnswer), '409': json('A rule forbids it'), ...failures },
    },
  },
});

/** The description of the admin API. */
export const openApi = (): object => ({
  openapi: '3.0.3',
  info: { title: 'Signet admin API', version: '1' },
  components: { securitySchemes: { adminToken: { type: 'http', scheme: 'bearer' } } },
  security: [{ adminToken: [] }],
  paths: {
    '/api/v1/status': get('Every connected sidecar: what it was sent and took, and its certificate', fleetStatus),
    '/api/v1/check': get('The health of the whole mesh: what was looked at, and what to do', healthReport),
    '/api/v1/mesh': get('The mesh in force, and why the file on disk may be another one', meshAnswer),
    '/api/v1/xds': get('Where sidecars find Signet, and how they know it', xdsAnswer),
    '/api/v1/tokens': {
      ...get('All join tokens, without the tokens themselves', tokenList),
      post: {
        summary: 'A new join token for one service',
        requestBody: body(tokenRequest),
        responses: {
          '201': json('The token, shown this once', tokenCreated),
          '404': json('No such service'),
          ...failures,
        },
      },
    },
    '/api/v1/tokens/{id}': {
      delete: {
        summary: 'Revokes a token and ends the streams of all that joined with it',
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { '204': { description: 'Revoked' }, '404': json('No such token'), ...failures },
      },
    },
    '/api/v1/bootstraps': {
      post: {
        summary: 'A complete Envoy bootstrap with a new join token and instance id',
        requestBody: body(bootstrapRequest),
        responses: { '201': json('The bootstrap'), '404': json('No such service'), ...failures },
      },
    },
    '/api/v1/can': {
      post: {
        summary: 'Would this call be allowed?',
        requestBody: body(canRequest),
        responses: { '200': json('The verdict', canAnswer), ...failures },
      },
    },
    ...caPaths(),
    '/api/v1/ca/revocations': {
      post: {
        summary: 'Revokes a certificate, or an identity with its certificates and join tokens; `dryRun` does nothing',
        requestBody: body(revocationRequest),
        responses: {
          '200': json('What would be revoked', revocationAnswer),
          '201': json('What was revoked', revocationAnswer),
          '404': json('No such certificate or identity, or nothing of it is left to revoke'),
          ...failures,
        },
      },
    },
    '/api/v1/ca/revocations/{act}': {
      get: {
        summary: 'How far a revocation has come',
        parameters: [{ name: 'act', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { '200': json('OK', revocationAnswer), '404': json('No such revocation'), ...failures },
      },
    },
    '/api/v1/openapi.json': get('This document'),
  },
});

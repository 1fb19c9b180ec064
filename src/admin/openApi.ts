import { z } from 'zod';
import { bootstrapRequest, canRequest, renewRequest, tokenRequest } from './requests.ts';
import { channelRequest, rotationRequest } from './rotationRoutes.ts';
import {
  bundleAnswer,
  caAnswer,
  canAnswer,
  fleetStatus,
  healthReport,
  jsonSchema,
  meshAnswer,
  renewAnswer,
  rotationAnswer,
  tokenCreated,
  tokenList,
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
    '/api/v1/ca': get('The certificate authorities', caAnswer),
    '/api/v1/ca/bundle': get('The trust bundle', bundleAnswer),
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
    '/api/v1/openapi.json': get('This document'),
  },
});

import * as z from 'zod';
import { rulesSpec } from '../authorization/spec.ts';
import { mtlsSpec } from '../mtls/spec.ts';

/** The long form of a port. `name` stands in a list only; in a map the key is the name. */
const longPortSpec = z.strictObject({
  name: z.string().optional(),
  port: z.number(),
  target: z.union([z.string(), z.number()]).optional(),
  protocol: z.enum(['http', 'http2', 'grpc', 'tcp']),
  mtls: mtlsSpec.optional(),
  pathsMayHold: z.array(z.enum([';', '%2F', '%5C', '%25'])).optional(),
  insecureTarget: z.boolean().optional(),
});

/** `PORT[:TARGET]/PROTOCOL`, or the long form. */
const portSpec = z.union([z.string(), longPortSpec]);

const endpointSpec = z.strictObject({
  address: z.string(),
  ports: z.record(z.string(), z.number()).optional(),
  mtls: z.enum(['disable']).optional(),
});

/** One service: `namespaces.NS.services.NAME`, or `services.NAME` for the namespace `default`. */
export const serviceSpec = z.strictObject({
  identity: z.string().optional(),
  labels: z.record(z.string(), z.string()).optional(),
  mtls: mtlsSpec.optional(),
  ports: z.union([z.array(portSpec), z.record(z.string(), portSpec)]).optional(),
  endpoints: z.union([z.enum(['auto']), z.array(endpointSpec)]).optional(),
  uses: z.union([z.array(z.string()), z.record(z.string(), z.union([z.number(), z.null()]))]).optional(),
  ...rulesSpec,
});

export type ServiceSpec = z.infer<typeof serviceSpec>;
export type PortSpec = z.infer<typeof portSpec>;
export type LongPortSpec = z.infer<typeof longPortSpec>;
export type EndpointSpec = z.infer<typeof endpointSpec>;

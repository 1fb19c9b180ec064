import * as z from 'zod';
import { rulesSpec, verdictSpec } from '../features/authorization/spec.ts';
import { certificatesSpec } from '../features/certificates/spec.ts';
import { mtlsSpec } from '../features/mtls/spec.ts';
import { serviceSpec } from '../features/services/spec.ts';
import { aliasesSpec, trustSpec } from '../features/trust/spec.ts';

const services = z.record(z.string(), serviceSpec);

const meshSpec = z.strictObject({
  trustDomain: z.string(),
  trustDomainAliases: aliasesSpec.optional(),
  trust: trustSpec.optional(),
  mtls: mtlsSpec.optional(),
  authorization: verdictSpec.optional(),
  certificates: certificatesSpec.optional(),
  rejoin: z.string().optional(),
  ...rulesSpec,
});

const namespaceSpec = z.strictObject({ mtls: mtlsSpec.optional(), services: services.optional(), ...rulesSpec });

/** The shape of a whole mesh.yaml: which keys stand where and of which type. What they mean is for the checks. */
export const fileSpec = z.strictObject({
  mesh: meshSpec,
  services: services.optional(),
  namespaces: z.record(z.string(), namespaceSpec).optional(),
});

export type FileSpec = z.infer<typeof fileSpec>;
export type MeshSpec = z.infer<typeof meshSpec>;
export type NamespaceSpec = z.infer<typeof namespaceSpec>;

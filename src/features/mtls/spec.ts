import * as z from 'zod';

const mode = z.enum(['strict', 'permissive', 'disable']);

/** `mtls:` at the mesh, a namespace, a service or a port. `permissive` needs the long form, for it needs an end. */
export const mtlsSpec = z.union([
  mode,
  z.strictObject({ mode, until: z.string().optional(), then: z.enum(['strict', 'hold']).optional() }),
]);

export type MtlsSpec = z.infer<typeof mtlsSpec>;

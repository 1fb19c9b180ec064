import * as z from 'zod';

/** Of the keys that Signet makes. */
export const curveSpec = z.enum(['P-256', 'P-384']);
export type Curve = z.infer<typeof curveSpec>;

/** `certificates:` below `mesh`. */
export const certificatesSpec = z.strictObject({
  ttl: z.string().optional(),
  curve: curveSpec.optional(),
  rootLife: z.string().optional(),
});

export type CertificatesSpec = z.infer<typeof certificatesSpec>;

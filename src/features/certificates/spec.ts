import * as z from 'zod';

/** `certificates:` below `mesh`. */
export const certificatesSpec = z.strictObject({ ttl: z.string().optional() });

export type CertificatesSpec = z.infer<typeof certificatesSpec>;

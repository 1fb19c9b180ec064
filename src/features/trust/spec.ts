import * as z from 'zod';

/** `trustDomainAliases:` below `mesh`: other names of this trust domain. */
export const aliasesSpec = z.array(z.string());

/** `trust:` below `mesh`: other trust domains, each with the bundle of its roots. */
export const trustSpec = z.array(
  z.strictObject({ trustDomain: z.string(), bundle: z.strictObject({ file: z.string() }) }),
);

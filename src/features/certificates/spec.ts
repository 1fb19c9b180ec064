import * as z from 'zod';
import type { Duration } from '../../lib/time.ts';

/** Of the keys that Signet makes. */
export const curveSpec = z.enum(['P-256', 'P-384']);
export type Curve = z.infer<typeof curveSpec>;

/** `intermediate`: a short-lived CA of Signet's own, which signs the leaves; `leaves`: every leaf, and no CA key in Signet. */
export const signsSpec = z.enum(['intermediate', 'leaves']);

const signerSpec = z.strictObject({
  /** COMMAND and its arguments: PKCS#10 on stdin, the PEM chain on stdout. */
  exec: z.array(z.string()).optional(),
  /** A CA in files that somebody else keeps fresh. */
  file: z.strictObject({ certificate: z.string(), key: z.string(), roots: z.string().optional() }).optional(),
  sign: signsSpec.optional(),
  timeout: z.string().optional(),
});
export type SignerSpec = z.infer<typeof signerSpec>;

/** `certificates:` below `mesh`. */
export const certificatesSpec = z.strictObject({
  ttl: z.string().optional(),
  curve: curveSpec.optional(),
  signer: signerSpec.optional(),
  rootLife: z.string().optional(),
});

export type CertificatesSpec = z.infer<typeof certificatesSpec>;

/** Who signs instead of a root of Signet's own, as the mesh has it. Paths are as written: relative to the file's folder. */
export type MeshSigner = {
  readonly sign: z.infer<typeof signsSpec>;
  /** For one answer. */
  readonly timeout: Duration;
  readonly by:
    | { readonly kind: 'exec'; readonly command: readonly string[] }
    | { readonly kind: 'file'; readonly certificate: string; readonly key: string; readonly roots: string | undefined };
};

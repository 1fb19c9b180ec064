import { isIP } from 'node:net';
import { z } from 'zod';
import { ROTATION_KINDS } from '../ca/rotation.ts';
import { parseHostPort } from '../lib/hostPort.ts';
import { parseDuration } from '../lib/time.ts';

/** What the admin API takes. Unknown keys are refused, as everywhere. */
const service = z
  .string()
  .regex(/^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/, 'must be NAMESPACE/NAME')
  .transform((text) => text as `${string}/${string}`);

const duration = z.string().transform((text, context) => {
  const span = parseDuration(text);
  if (span !== undefined && span > 0) return span;
  context.addIssue({ code: 'custom', message: 'must be a duration like 30s, 15m, 1h or 7d' });
  return z.NEVER;
});

const hostPort = z.string().transform((text, context) => {
  const parsed = parseHostPort(text);
  if (parsed !== undefined && parsed.port > 0) return parsed;
  context.addIssue({ code: 'custom', message: 'must be HOST:PORT' });
  return z.NEVER;
});

const ip = z.string().refine((text) => isIP(text) !== 0, 'must be an IP address');

const ipPort = z.string().transform((text, context) => {
  const parsed = parseHostPort(text);
  if (parsed !== undefined && parsed.port > 0 && isIP(parsed.host) !== 0) return parsed;
  context.addIssue({ code: 'custom', message: 'must be IP:PORT' });
  return z.NEVER;
});

const pipe = z.strictObject({ pipe: z.string().regex(/^\//, 'must be an absolute path') });

export const tokenRequest = z.strictObject({
  service,
  ttl: duration.prefault('1h'),
  uses: z.int().min(1).max(1_000_000).default(1),
});

export const bootstrapRequest = z.strictObject({
  service,
  xds: hostPort.optional(),
  address: ip.optional(),
  outbound: ipPort.optional(),
  /** A port on loopback, or a unix socket of the caller's own. */
  envoyAdmin: z.union([z.int().min(1).max(65_535), pipe]).optional(),
  /** The sidecar shows a client certificate from this folder of its host; the token comes beside the bootstrap. */
  clientCertificate: z.strictObject({ folder: z.string().regex(/^\//, 'must be an absolute path') }).optional(),
});

export const renewRequest = z.strictObject({ service });

const reason = z
  .string()
  .trim()
  .regex(/^[^\p{Cc}]{1,200}$/u, 'must be one line of at most 200 characters')
  .optional();

export const revocationRequest = z.strictObject({
  what: z.string().min(1).max(2048),
  reason,
  cut: z.boolean().default(false),
  dryRun: z.boolean().default(false),
});

export const csrRequest = z.strictObject({ new: z.boolean().default(false) });
export const importRequest = z.strictObject({ chain: z.string() });

export const rotationRequest = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('start'), kind: z.enum(ROTATION_KINDS), reason }),
  z.strictObject({ action: z.enum(['pause', 'resume']) }),
  z.strictObject({ action: z.literal('abort'), reason }),
]);

export const channelRequest = z.discriminatedUnion('action', [
  z.strictObject({ action: z.enum(['begin', 'abort']) }),
  z.strictObject({ action: z.literal('retire'), force: z.boolean().default(false) }),
]);

export const canRequest = z.strictObject({
  from: z.string(),
  to: z.string(),
  method: z.string().optional(),
  path: z.string().optional(),
  plaintext: z.boolean().optional(),
});

export type TokenRequest = z.input<typeof tokenRequest>;
export type BootstrapRequest = z.input<typeof bootstrapRequest>;
export type RenewRequest = z.input<typeof renewRequest>;
export type RevocationRequest = z.input<typeof revocationRequest>;
export type RotationRequest = z.input<typeof rotationRequest>;
export type ChannelRequest = z.input<typeof channelRequest>;

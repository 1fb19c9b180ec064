import { z } from 'zod';

// What several schemas say alike.

export const text = z.string();
export const moment = z.iso.datetime().describe('ISO 8601 in UTC');
export const count = z.int().min(0);

export const refusing = z.strictObject({
  of: count.describe('connected sidecars that have to refuse'),
  by: count.describe('those of them that acknowledged it'),
  waiting: z.array(z.strictObject({ node: text, why: z.enum(['pending', 'refused']) })),
  away: z
    .array(z.strictObject({ node: text, lastSeen: moment }))
    .describe('not connected: they have it first when they are back'),
});

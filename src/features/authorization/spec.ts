import * as z from 'zod';

/** `authorization:` below `mesh`: the verdict for a port that no allow rule is written for. */
export const verdictSpec = z.enum(['deny', 'allow']);

const texts = z.union([z.string(), z.array(z.string())]);
const portNames = z.union([z.string(), z.number(), z.array(z.union([z.string(), z.number()]))]);

const callers = { principals: texts.optional(), namespaces: texts.optional(), trustDomains: texts.optional() };
const sourceSpec = z.strictObject({ ...callers, not: z.strictObject(callers).optional() });

const calls = { methods: texts.optional(), paths: texts.optional(), ports: portNames.optional() };
const operationSpec = z.strictObject({ ...calls, not: z.strictObject(calls).optional() });

/** One rule of `allow` or `deny`: a bare caller, or an object. */
export const ruleSpec = z.union([
  z.string(),
  z.strictObject({
    from: z.union([z.string(), sourceSpec, z.array(z.union([z.string(), sourceSpec]))]).optional(),
    to: z.union([z.string(), operationSpec, z.array(z.union([z.string(), operationSpec]))]).optional(),
    name: z.string().optional(),
    until: z.string().optional(),
    mode: z.enum(['enforce', 'shadow']).optional(),
  }),
]);

/** `allow:` and `deny:` wherever they may stand. */
export const rulesSpec = { allow: z.array(ruleSpec).optional(), deny: z.array(ruleSpec).optional() };

export type RuleSpec = z.infer<typeof ruleSpec>;
export type SourceSpec = z.infer<typeof sourceSpec>;
export type OperationSpec = z.infer<typeof operationSpec>;
export type TextsSpec = z.infer<typeof texts>;
export type PortNamesSpec = z.infer<typeof portNames>;

import { z } from 'zod';
import type { CanAnswer } from '../control/can.ts';
import type { HealthReport } from '../control/health/finding.ts';
import type { FleetStatus } from '../control/status.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import {
  bundleAnswer,
  caAnswer,
  csrAnswer,
  importAnswer,
  issuedList,
  renewAnswer,
  restoreAnswer,
  revocationAnswer,
  rotationAnswer,
} from './caSchemas.ts';
import type { MeshAnswer, TokenCreated, TokenList, XdsAnswer } from './responses.ts';
import { count, moment, refusing, text } from './schemaParts.ts';

// The types of responses.ts and control once more, as values: published in docs/schemas/ and in the OpenAPI document,
// and held against real answers by the tests. `ZodType<T>` keeps the two from drifting apart.

const diagnostic: z.ZodType<Diagnostic> = z.strictObject({
  code: z.templateLiteral(['SIG0', z.string()]),
  severity: z.enum(['error', 'warning']),
  message: text,
  path: text,
  location: z.strictObject({ file: text, line: count, column: count }),
  hint: text.exactOptional(),
});

const validateAnswer = z.strictObject({ valid: z.boolean(), diagnostics: z.array(diagnostic) });

export const tokenCreated: z.ZodType<TokenCreated> = z.strictObject({
  id: text,
  token: text.describe('a secret, shown this once'),
  service: text,
  expires: moment.describe('until when new instances may join'),
  uses: count,
});

export const tokenList: z.ZodType<TokenList> = z.strictObject({
  tokens: z.array(
    z.strictObject({
      id: text,
      service: text,
      createdAt: moment,
      expires: moment,
      uses: count,
      joined: count,
      revokedAt: moment.nullable(),
      instances: z.array(z.strictObject({ node: text, joinedAt: moment, lastSeen: moment })),
    }),
  ),
});

export const meshAnswer: z.ZodType<MeshAnswer> = z.strictObject({
  file: text,
  revision: text,
  trustDomain: text,
  loadedAt: moment,
  services: z.array(text),
  warnings: z.array(diagnostic),
  problem: z.strictObject({ since: moment, message: text, diagnostics: z.array(diagnostic) }).nullable(),
});

export const xdsAnswer: z.ZodType<XdsAnswer> = z.strictObject({
  address: z
    .strictObject({ host: text, port: count })
    .nullable()
    .describe('null where Signet listens on all addresses and cannot know which one is told'),
  anchorPem: text.describe('the channel CA'),
  serverIds: z.array(text).describe("the server's certificate has one URI, and it is one of these"),
});

const version = text.nullable();
const typeStatus = z.strictObject({
  sent: version,
  acked: version,
  nacked: version,
  sentAt: moment.nullable(),
  ackedAt: moment.nullable().describe('null as well where it came back with what it took on an earlier stream'),
  nackedAt: moment.nullable(),
  error: text.nullable().describe("the sidecar's words, then the lines of mesh.yaml that it refused"),
});

export const fleetStatus: z.ZodType<FleetStatus> = z.strictObject({
  mesh: z.strictObject({
    file: text,
    revision: text,
    loadedAt: moment,
    problem: z
      .strictObject({ since: moment, message: text, diagnostics: z.array(text) })
      .nullable()
      .describe('why the file on disk is not what is served'),
  }),
  sidecars: z.array(
    z.strictObject({
      node: text.describe('NAMESPACE/NAME/INSTANCE'),
      service: text,
      address: text.describe('what callers are told'),
      peer: text.describe('where its stream comes from'),
      connectedSince: moment,
      progress: z.enum(['pending', 'settled', 'refused']),
      progressSince: moment,
      types: z.strictObject({
        cds: typeStatus.exactOptional(),
        eds: typeStatus.exactOptional(),
        sds: typeStatus.exactOptional(),
        lds: typeStatus.exactOptional(),
        rds: typeStatus.exactOptional(),
      }),
      certificate: z.strictObject({ serial: text, notAfter: moment }).nullable(),
    }),
  ),
  quarantined: z.array(
    z.strictObject({
      service: text,
      type: z.enum(['cds', 'eds', 'sds', 'lds', 'rds']),
      resource: text,
      version: text,
      source: text.nullable().describe('the line of mesh.yaml, file:line'),
      since: moment,
      refusedBy: z.array(text).describe('nodes, the first one first'),
      error: text.describe("the first one's words"),
      takenByOthers: z.boolean().describe('then it is kept only from those who refused it'),
      keeping: count.describe('connected sidecars that go on with the version from before'),
      without: count.describe('connected sidecars for which no older version is known'),
    }),
  ),
  away: z.array(z.strictObject({ node: text, address: text, since: moment })),
  revocations: z
    .array(
      z.strictObject({
        act: text,
        at: moment,
        what: text,
        reason: text.nullable(),
        serials: z.array(text),
        refusing,
      }),
    )
    .describe('of which something is still refused, the newest first'),
  warnings: z.array(text),
});

export const healthReport: z.ZodType<HealthReport> = z.strictObject({
  at: moment,
  healthy: z.boolean().describe('no finding is a failure'),
  pending: z.boolean().describe('some finding is worth waiting for'),
  findings: z.array(
    z.strictObject({
      code: text.describe('CHK0xxx, explained in docs/check.md'),
      group: z.enum(['control plane', 'mesh file', 'sidecars', 'endpoints', 'certificates', 'exceptions']),
      level: z.enum(['ok', 'warning', 'failure']),
      message: text,
      action: text.nullable().describe('what to do'),
      pending: z.boolean().describe('it will most likely be another one soon'),
    }),
  ),
});

const listedCall = z.strictObject({ call: text, rule: text, until: moment.nullable() });

export const canAnswer: z.ZodType<CanAnswer> = z.strictObject({
  verdict: z.enum(['ALLOW', 'DENY']),
  reason: text,
  rule: text.nullable().describe('the line that decides, file:line'),
  nearestMiss: z.strictObject({ rule: text, reason: text }).nullable(),
  dependsOn: z.array(text).describe('what the question leaves open and the verdict hangs on'),
  note: text.nullable(),
  calls: z.strictObject({ allowed: z.array(listedCall), denied: z.array(listedCall) }).nullable(),
});

const resources = z.array(z.record(z.string(), z.unknown())).describe("Envoy's own JSON");

/** What `signet translate` prints. */
const translation = z.strictObject({
  clusters: resources,
  endpoints: resources,
  listeners: resources,
  routes: resources,
  secrets: resources,
});

/** What `-o json` of each command prints, by the command's name. `bootstrap` prints Envoy's own Bootstrap. */
export const OUTPUTS: Readonly<Record<string, z.ZodType>> = {
  validate: validateAnswer,
  translate: translation,
  'token create': tokenCreated,
  'token list': tokenList,
  status: fleetStatus,
  check: healthReport,
  can: canAnswer,
  'ca status': caAnswer,
  'ca bundle': bundleAnswer,
  'ca list': issuedList,
  'ca renew': renewAnswer,
  'ca csr': csrAnswer,
  'ca import': importAnswer,
  'ca rotate': rotationAnswer,
  'ca restore': restoreAnswer,
  'ca revoke': revocationAnswer,
};

/** As published: keys may be added later, so unknown ones are no fault of a reader's. */
export const jsonSchema = (schema: z.ZodType, target: 'draft-2020-12' | 'openapi-3.0'): object =>
  z.toJSONSchema(schema, {
    target,
    override: ({ jsonSchema: made }) => {
      if (made.additionalProperties === false) delete made.additionalProperties;
    },
  });

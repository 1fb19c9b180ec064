import { z } from 'zod';
import { ROTATION_KINDS, ROTATION_STEPS } from '../ca/rotation.ts';
import type { CanAnswer } from '../control/can.ts';
import type { HealthReport } from '../control/health/finding.ts';
import type { FleetStatus } from '../control/status.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type {
  BundleAnswer,
  CaAnswer,
  MeshAnswer,
  RenewAnswer,
  RestoreAnswer,
  TokenCreated,
  TokenList,
} from './responses.ts';
import type { RotationAnswer } from './rotationResponses.ts';

// The types of responses.ts and control once more, as values: published in docs/schemas/ and in the OpenAPI document,
// and held against real answers by the tests. `ZodType<T>` keeps the two from drifting apart.

const text = z.string();
const moment = z.iso.datetime().describe('ISO 8601 in UTC');
const count = z.int().min(0);

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

const certificate = z.strictObject({
  subject: text,
  serial: text,
  notBefore: moment,
  notAfter: moment,
  fingerprint: text.describe('SHA-256, hex'),
});

const slot = z.strictObject({
  ...certificate.shape,
  kind: z.enum(['root', 'intermediate', 'channel']),
  state: z.enum(['prepared', 'active', 'old', 'tainted', 'revoked']),
  since: moment.nullable().describe('when it came into this state, if that was recorded'),
  root: text.describe('serial of the root that signed it'),
});

export const caAnswer: z.ZodType<CaAnswer> = z.strictObject({
  trustDomain: text,
  root: certificate,
  intermediate: certificate,
  channel: certificate,
  generation: z.int().describe('counts the commits of the mesh authority'),
  slots: z.array(slot).describe('all CAs, the active ones included'),
  rotation: z
    .strictObject({
      id: text,
      kind: z.enum(ROTATION_KINDS),
      step: z.enum(ROTATION_STEPS),
      paused: z.boolean(),
      waitingFor: count.describe('sidecars'),
    })
    .nullable()
    .describe('the one that is running'),
});

export const rotationAnswer: z.ZodType<RotationAnswer> = z.strictObject({
  rotation: z
    .strictObject({
      id: text,
      kind: z.enum(ROTATION_KINDS),
      step: z.enum(ROTATION_STEPS),
      startedAt: moment,
      stepSince: moment,
      paused: z.boolean(),
      reason: text,
      from: text.describe('serial of the CA that goes'),
      to: text.describe('serial of the CA that comes'),
      waitingFor: z.array(
        z.strictObject({
          node: text,
          why: text,
          until: moment
            .nullable()
            .describe('when that ends by itself at the latest; null: it is for the sidecar to act'),
        }),
      ),
      trouble: text.nullable().describe('why the last step could not be stored'),
    })
    .nullable()
    .describe('the one that is running'),
  active: z.strictObject({ root: text, intermediate: text }).describe('serials'),
  scheduled: moment.describe('when a new root begins to be led in by itself'),
  sidecars: z.strictObject({
    connected: count,
    away: z
      .array(z.strictObject({ node: text, until: moment }))
      .describe('with certificates that live until then, for which a rotation waits'),
  }),
  channel: z.strictObject({
    anchors: z.array(slot),
    onlyOld: z.array(text).describe('connected sidecars whose bootstrap does not hold the active anchor'),
    away: z
      .array(z.strictObject({ node: text, lastSeen: moment }))
      .describe('while there is an old anchor: instances that may come back with it alone'),
  }),
});

/** What `signet ca restore` prints. */
const restoreAnswer: z.ZodType<RestoreAnswer> = z.strictObject({
  restored: z.array(
    z.strictObject({
      document: z.enum(['mesh', 'channel']),
      broken: text.nullable().describe('why it could not be used'),
      generation: z.int().describe('the new one, which is what an earlier one was'),
      cas: z.array(slot),
    }),
  ),
});

export const bundleAnswer: z.ZodType<BundleAnswer> = z.strictObject({
  trustDomain: text,
  authorities: z.array(text).describe('PEM'),
});

export const renewAnswer: z.ZodType<RenewAnswer> = z.strictObject({
  renewed: z.array(z.strictObject({ node: text, serial: text, notAfter: moment })),
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
  'ca renew': renewAnswer,
  'ca rotate': rotationAnswer,
  'ca restore': restoreAnswer,
};

/** As published: keys may be added later, so unknown ones are no fault of a reader's. */
export const jsonSchema = (schema: z.ZodType, target: 'draft-2020-12' | 'openapi-3.0'): object =>
  z.toJSONSchema(schema, {
    target,
    override: ({ jsonSchema: made }) => {
      if (made.additionalProperties === false) delete made.additionalProperties;
    },
  });

import { z } from 'zod';
import { ROTATION_KINDS, ROTATION_STEPS } from '../ca/rotation.ts';
import type { CanAnswer } from '../control/can.ts';
import type { HealthReport } from '../control/health/finding.ts';
import type { RevocationAnswer } from '../control/revocation/answer.ts';
import type { FleetStatus } from '../control/status.ts';
import type { Diagnostic } from '../lib/diagnostic.ts';
import type {
  BundleAnswer,
  CaAnswer,
  CsrAnswer,
  ImportAnswer,
  IssuedListAnswer,
  MeshAnswer,
  RenewAnswer,
  RestoreAnswer,
  TokenCreated,
  TokenList,
  XdsAnswer,
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

const refusing = z.strictObject({
  of: count.describe('connected sidecars that have to refuse'),
  by: count.describe('those of them that acknowledged it'),
  waiting: z.array(z.strictObject({ node: text, why: z.enum(['pending', 'refused']) })),
  away: z
    .array(z.strictObject({ node: text, lastSeen: moment }))
    .describe('not connected: they have it first when they are back'),
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
  aliases: z.array(text).describe('other names of the trust domain'),
  trusted: z
    .array(z.strictObject({ trustDomain: text, file: text, roots: count, notAfter: moment }))
    .describe('other trust domains whose certificates are believed; notAfter: when their last root ends'),
  root: certificate,
  intermediate: certificate,
  channel: certificate,
  generation: z.int().describe('counts the commits of the mesh authority'),
  slots: z.array(slot).describe('all CAs, the active ones included'),
  signer: z
    .strictObject({
      name: text,
      sign: z.enum(['intermediate', 'leaves']),
      away: z.strictObject({ since: moment, why: text }).nullable().describe('why it does not sign; Signet serves on'),
    })
    .nullable()
    .describe('the one that mesh.yaml names'),
  request: z
    .strictObject({ since: moment })
    .nullable()
    .describe('for an intermediate, whose chain was not imported yet'),
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

export const csrAnswer: z.ZodType<CsrAnswer> = z.strictObject({ csr: text.describe('PKCS#10, PEM'), since: moment });

export const importAnswer: z.ZodType<ImportAnswer> = z.strictObject({
  root: certificate,
  rootIsNew: z.boolean(),
  intermediate: certificate,
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
  scheduled: moment.describe('when a new root begins to be led in by itself, or its owner should bring one'),
  ownRoot: z.boolean().describe('whether Signet has its key and makes the next one'),
  prepared: z.strictObject({ kind: z.enum(['root', 'intermediate']), subject: text }).nullable(),
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
  sequence: z.int().describe('grows with every change'),
  authorities: z.array(text).describe('PEM'),
});

export const renewAnswer: z.ZodType<RenewAnswer> = z.strictObject({
  renewed: z.array(z.strictObject({ node: text, serial: text, notAfter: moment })),
});

export const revocationAnswer: z.ZodType<RevocationAnswer> = z.strictObject({
  act: text.nullable().describe('null for --dry-run'),
  at: moment.nullable(),
  what: text.describe('the serial, or the SPIFFE ID'),
  reason: text.nullable(),
  certificates: z.array(
    z.strictObject({
      serial: text,
      identity: text,
      node: text,
      notAfter: moment,
      refusedUntil: moment.describe('until when servers refuse it by its digest'),
    }),
  ),
  services: z.array(text).describe('that have these identities'),
  tokens: z.array(text).describe('ids of the join tokens that went with the identity'),
  openTokens: z.array(z.strictObject({ id: text, service: text })).describe('let more instances join'),
  fixedEndpoints: z.array(z.strictObject({ service: text, line: text })).describe('stand in mesh.yaml, file:line'),
  ends: z.array(z.strictObject({ port: text, callers: z.array(text) })).describe('ports whose connections end'),
  refusing,
});

export const issuedList: z.ZodType<IssuedListAnswer> = z.strictObject({
  at: moment,
  trustDomain: text,
  certificates: z
    .array(
      z.strictObject({
        node: text.describe('the instance that it was issued to, NAMESPACE/NAME/INSTANCE'),
        identity: text,
        serial: text,
        issuer: text.nullable().describe('serial of the intermediate that signed it'),
        root: text.nullable().describe('serial of the root above; null where that is held no more'),
        notBefore: moment.nullable(),
        notAfter: moment,
        secondsLeft: z.int().describe("by the control plane's clock"),
        state: z
          .enum(['held', 'sent', 'refused', 'earlier', 'away', 'revoked'])
          .describe(
            'held: its sidecar took it and uses it; sent: not acknowledged; refused: NACKed; earlier: renewed since, and still valid; away: its instance is not connected; revoked: refused everywhere',
          ),
      }),
    )
    .describe('all that have not ended, by node, the newest of each first'),
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

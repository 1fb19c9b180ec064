import { z } from 'zod';
import { ROTATION_KINDS, ROTATION_STEPS } from '../ca/rotation.ts';
import type { RevocationAnswer } from '../control/revocation/answer.ts';
import type {
  BundleAnswer,
  CaAnswer,
  CsrAnswer,
  ImportAnswer,
  IssuedListAnswer,
  RenewAnswer,
  RestoreAnswer,
} from './responses.ts';
import type { RotationAnswer } from './rotationResponses.ts';
import { count, moment, refusing, text } from './schemaParts.ts';

// The answers about certificates and their authorities; see schemas.ts.

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
    shown: count.describe('of these: whose Envoy itself showed, in /certs, the certificate that they ACKed last'),
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
export const restoreAnswer: z.ZodType<RestoreAnswer> = z.strictObject({
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
      refusedUntil: moment.describe(
        'until when servers refuse it by its digest at least; longer while the clock cannot be relied on',
      ),
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

import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { AppError, messageOf } from '../lib/errors.ts';
import { reveal, secret } from '../lib/secret.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffeId.ts';
import { type CaCertificate, type CaKind, readCa, readCaKeyPair, withKey } from './caCertificate.ts';
import { readImportedCa } from './importedCa.ts';
import { type ChannelState, type MeshState, meshFault, type PendingRequest, rootOf } from './meshState.ts';
import { allNames, type Named } from './names.ts';
import { ROTATION_KINDS, ROTATION_STEPS } from './rotation.ts';
import { openSslReads } from './sign.ts';
import { holdsDeadKeys, refuseHealing, type Slot, type Slots, slotsFault } from './slots.ts';

/** Schema 1 knew one root, one intermediate, one anchor; it is read as one active slot each, and written as schema 2. */
const SCHEMA = 2;
const READABLE: readonly number[] = [1, SCHEMA];

const pairSchema = z.strictObject({ certificate: z.string(), key: z.string() });
const slotSchema = z.strictObject({
  state: z.enum(['prepared', 'active', 'old', 'tainted', 'revoked']),
  since: z.int(),
  certificate: z.string(),
  key: z.string().optional(),
  origin: z.string().optional(),
  /** CAs between it and its root, PEM. */
  above: z.array(z.string()).optional(),
});
const pendingSchema = z.strictObject({ key: z.string(), csr: z.string(), since: z.int() });
const rotationSchema = z.strictObject({
  id: z.string(),
  kind: z.enum(ROTATION_KINDS),
  step: z.enum(ROTATION_STEPS),
  startedAt: z.int(),
  stepSince: z.int(),
  paused: z.boolean(),
  reason: z.string(),
  from: z.string(),
  to: z.string(),
});
const domain = z.custom<TrustDomain>((value) => typeof value === 'string' && parseTrustDomain(value) !== undefined);
const head = { trustDomain: domain, formerly: z.array(domain).optional() };
const headSchema = z.looseObject({ schema: z.int(), ...head });
const second = { schema: z.literal(SCHEMA), ...head, generation: z.int().positive() };
const meshSchema = z.union([
  z.strictObject({ schema: z.literal(1), ...head, root: pairSchema, intermediate: pairSchema }),
  z.strictObject({
    ...second,
    roots: z.array(slotSchema),
    intermediates: z.array(slotSchema),
    rotation: rotationSchema.optional(),
    abortedAt: z.int().optional(),
    pending: pendingSchema.optional(),
  }),
]);
const channelSchema = z.union([
  z.strictObject({ schema: z.literal(1), ...head, anchor: pairSchema }),
  z.strictObject({ ...second, anchors: z.array(slotSchema) }),
]);
type StoredSlot = z.infer<typeof slotSchema>;

/** How a document of CAs is read and written. */
export type DocumentForm<S> = {
  /** Where it lies in the store. */
  readonly key: string;
  /**
   * `accepts`: which trust domains it may be of, the mesh's own first.
   * @throws AppError `ca_foreign`; Error that says what is wrong, without a word of its contents
   */
  readonly read: (value: Uint8Array, accepts: readonly TrustDomain[]) => S;
  readonly write: (state: S) => Uint8Array;
  /** Whether `next` destroys keys that `before` holds: nobody may return to that one, so `next` is kept in its place, too. */
  readonly destroysKeys: (before: S, next: S) => boolean;
  /**
   * What the generation before becomes when it follows on the present one, which is `undefined` if it cannot be read.
   * @throws AppError `rotation_refused`
   */
  readonly restored: (previous: S, present: S | undefined) => S;
};

/** The document, or a refusal. Nothing that the parser says is passed on: it may quote a private key. */
const parseDocument = <T>(value: Uint8Array, schema: z.ZodType<T>, accepts: readonly TrustDomain[]): T => {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(value).toString('utf8'));
  } catch {
    throw new Error('it is not JSON');
  }
  const found = headSchema.safeParse(json);
  if (!found.success) throw new Error('it has no schema version or no trust domain');
  if (!READABLE.includes(found.data.schema))
    throw new Error(`it has schema ${found.data.schema} and this Signet reads ${READABLE.join(' and ')}`);
  const { trustDomain: other } = found.data;
  if (!accepts.includes(other)) {
    throw new AppError(
      'ca_foreign',
      `the data directory belongs to trust domain ${other}, and mesh.trustDomain is ${accepts[0]}: write ${other} again, keep it in mesh.trustDomainAliases to rename the mesh, or use another --data`,
    );
  }
  const document = schema.safeParse(json);
  if (!document.success) throw new Error('a part of it is missing or has the wrong type');
  return document.data;
};

/** What was signed elsewhere, held against its key and its chain. */
const readImportedSlot = (kind: 'root' | 'intermediate', stored: StoredSlot, root?: CaCertificate): Slot => {
  const { state, since, certificate: pem, key, origin = '', above = [] } = stored;
  const certificate = readImportedCa(kind, pem, root && { chain: above, root });
  return { state, since, certificate, keys: key === undefined ? undefined : withKey(certificate, secret(key)), origin };
};

/** Every certificate is held against its key, its kind and its issuer. */
const readSlot = (kind: CaKind, stored: StoredSlot, names: readonly TrustDomain[], above?: CaCertificate): Slot => {
  const { state, since, certificate: pem, key } = stored;
  try {
    if (stored.origin !== undefined && kind !== 'channel') return readImportedSlot(kind, stored, above);
    if (key !== undefined) {
      const keys = readCaKeyPair(kind, { certificate: pem, key: secret(key) }, names, above);
      return { state, since, certificate: keys.certificate, keys };
    }
    const certificate = readCa(kind, pem, names);
    openSslReads(certificate.raw, (above ?? certificate).publicKey);
    return { state, since, certificate, keys: undefined };
  } catch (thrown) {
    throw new Error(`its ${kind} is broken (${messageOf(thrown)})`);
  }
};

/** An intermediate that was signed elsewhere is held against the root that signed the end of its chain. */
const readImported = (stored: StoredSlot, roots: Slots, names: readonly TrustDomain[]): Slot => {
  const top = new X509Certificate(stored.above?.at(-1) ?? stored.certificate);
  const root = roots.find(({ certificate: { publicKey } }) => top.verify(publicKey));
  if (root === undefined) throw new Error('its intermediate is broken (its signature is of a root that is not there)');
  return readSlot('intermediate', stored, names, root.certificate);
};

/** An intermediate is held against the root that it names. */
const readIntermediate = (stored: StoredSlot, roots: Slots, names: readonly TrustDomain[]): Slot => {
  if (stored.origin !== undefined) return readImported(stored, roots, names);
  let named: Slot | undefined;
  try {
    named = rootOf(roots, readCa('intermediate', stored.certificate, names));
  } catch (thrown) {
    throw new Error(`its intermediate is broken (${messageOf(thrown)})`);
  }
  if (named === undefined) throw new Error('its intermediate is broken (its signature is of a root that is not there)');
  return readSlot('intermediate', stored, names, named.certificate);
};

const only = (pair: z.infer<typeof pairSchema>): readonly StoredSlot[] => [{ state: 'active', since: 0, ...pair }];

/** A key leaves here, for the store whose files nobody else may read. */
const written = ({ state, since, certificate, keys, origin }: Slot): StoredSlot => ({
  state,
  since,
  certificate: certificate.pem,
  ...(keys === undefined ? {} : { key: reveal(keys.keyPem) }),
  ...(origin === undefined ? {} : { origin, above: [...certificate.above] }),
});

const readPending = (stored: z.infer<typeof pendingSchema> | undefined): PendingRequest | undefined =>
  stored === undefined ? undefined : { ...stored, key: secret(stored.key) };
const writtenPending = (pending: PendingRequest | undefined): z.infer<typeof pendingSchema> | undefined =>
  pending === undefined ? undefined : { ...pending, key: reveal(pending.key) };
/** An authority that was never renamed says nothing of it, as before there were renames. */
const formerNames = (formerly: readonly TrustDomain[]): { readonly formerly?: readonly TrustDomain[] } =>
  formerly.length === 0 ? {} : { formerly };

const namesIn = ({ trustDomain, formerly = [] }: z.infer<typeof headSchema>): Named => ({ trustDomain, formerly });

const bytes = (document: unknown): Uint8Array => Buffer.from(JSON.stringify(document));

const sound = <S>(state: S, fault: string | undefined): S => {
  if (fault !== undefined) throw new Error(fault);
  return Object.freeze(state);
};

/** Roots, intermediates and the rotation between them. */
export const MESH_FORM: DocumentForm<MeshState> = {
  key: 'ca/mesh',
  read: (value, accepts) => {
    const document = parseDocument(value, meshSchema, accepts);
    const named = namesIn(document);
    const names = allNames(named);
    const first = document.schema === 1;
    const stored = first ? only(document.root) : document.roots;
    const below = first ? only(document.intermediate) : document.intermediates;
    const roots = stored.map((slot) => readSlot('root', slot, names));
    const state: MeshState = {
      ...named,
      generation: first ? 1 : document.generation,
      roots,
      intermediates: below.map((slot) => readIntermediate(slot, roots, names)),
      rotation: first ? undefined : document.rotation,
      abortedAt: first ? undefined : document.abortedAt,
      pending: first ? undefined : readPending(document.pending),
    };
    return sound(state, meshFault(state));
  },
  write: ({ trustDomain, formerly, generation, roots, intermediates, rotation, abortedAt, pending }) =>
    bytes({
      schema: SCHEMA,
      trustDomain,
      ...formerNames(formerly),
      generation,
      roots: roots.map(written),
      intermediates: intermediates.map(written),
      rotation,
      abortedAt,
      pending: writtenPending(pending),
    }),
  destroysKeys: (before, next) =>
    holdsDeadKeys(before.roots, next.roots) || holdsDeadKeys(before.intermediates, next.intermediates),
  restored: (previous, present) => {
    refuseHealing(
      [...previous.roots, ...previous.intermediates],
      [...(present?.roots ?? []), ...(present?.intermediates ?? [])],
    );
    const { rotation } = previous;
    // Paused, so that it does not at once go on to where the operator came back from.
    return { ...previous, rotation: rotation && { ...rotation, paused: true } };
  },
};

/** The anchors of the channel. */
export const CHANNEL_FORM: DocumentForm<ChannelState> = {
  key: 'ca/channel',
  read: (value, accepts) => {
    const document = parseDocument(value, channelSchema, accepts);
    const named = namesIn(document);
    const stored = document.schema === 1 ? only(document.anchor) : document.anchors;
    const anchors = stored.map((slot) => readSlot('channel', slot, allNames(named)));
    const generation = document.schema === 1 ? 1 : document.generation;
    return sound({ ...named, generation, anchors }, slotsFault('anchors', anchors));
  },
  write: ({ trustDomain, formerly, generation, anchors }) =>
    bytes({ schema: SCHEMA, trustDomain, ...formerNames(formerly), generation, anchors: anchors.map(written) }),
  destroysKeys: (before, next) => holdsDeadKeys(before.anchors, next.anchors),
  restored: (previous, present) => {
    refuseHealing(previous.anchors, present?.anchors ?? []);
    return previous;
  },
};

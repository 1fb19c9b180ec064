import { z } from 'zod';
import { AppError, messageOf } from '../lib/errors.ts';
import { reveal, secret } from '../lib/secret.ts';
import type { Entry, Store, Write } from '../lib/store.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffeId.ts';
import { type CaKeyPair, type CaKind, readCaKeyPair } from './caCertificate.ts';

/** Where the authorities lie in the store: two documents, written together once and only ever by name. */
export const MESH_KEY = 'ca/mesh';
export const CHANNEL_KEY = 'ca/channel';
const SCHEMA = 1;

export type CaState = { readonly root: CaKeyPair; readonly intermediate: CaKeyPair; readonly channel: CaKeyPair };

const pairSchema = z.strictObject({ certificate: z.string(), key: z.string() });
const headSchema = z.looseObject({ schema: z.int(), trustDomain: z.string() });
const meshSchema = z.strictObject({
  schema: z.literal(SCHEMA),
  trustDomain: z.string(),
  root: pairSchema,
  intermediate: pairSchema,
});
const channelSchema = z.strictObject({ schema: z.literal(SCHEMA), trustDomain: z.string(), anchor: pairSchema });
type StoredPair = z.infer<typeof pairSchema>;

const corrupt = (key: string, what: string): AppError<'ca_corrupt'> =>
  new AppError(
    'ca_corrupt',
    `the certificate authority in the store (${key}) cannot be used: ${what}; put a backup of the data directory back, or name an empty one with --data to begin a new mesh with new roots`,
  );

/** The document, or a refusal by name. Nothing that the parser says is passed on: it may quote a private key. */
const parseDocument = <T>(entry: Entry, schema: z.ZodType<T>, trustDomain: TrustDomain): T => {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(entry.value).toString('utf8'));
  } catch {
    throw corrupt(entry.key, 'it is not JSON');
  }
  const head = headSchema.safeParse(json);
  if (!head.success) throw corrupt(entry.key, 'it has no schema version or no trust domain');
  if (head.data.schema !== SCHEMA)
    throw corrupt(entry.key, `it has schema ${head.data.schema} and this Signet reads ${SCHEMA}`);
  if (head.data.trustDomain !== trustDomain) {
    const other = parseTrustDomain(head.data.trustDomain) ?? 'another one';
    throw new AppError(
      'ca_foreign',
      `the data directory belongs to trust domain ${other}, and mesh.trustDomain is ${trustDomain}: write ${other} again, or use another --data`,
    );
  }
  const document = schema.safeParse(json);
  if (!document.success) throw corrupt(entry.key, 'a part of it is missing or has the wrong type');
  return document.data;
};

const parsePair = (
  key: string,
  kind: CaKind,
  stored: StoredPair,
  trustDomain: TrustDomain,
  issuer?: CaKeyPair,
): CaKeyPair => {
  try {
    return readCaKeyPair(
      kind,
      { certificate: stored.certificate, key: secret(stored.key) },
      trustDomain,
      issuer?.certificate,
    );
  } catch (thrown) {
    throw corrupt(key, `its ${kind} is broken (${messageOf(thrown)})`);
  }
};

/**
 * The authorities that the store holds, every certificate held against its key and its issuer; `undefined` if this is a
 * first start. A store that has lost them is no first start: new roots are never made silently.
 * @throws AppError `ca_corrupt` or `ca_foreign`
 */
export const readState = (store: Store, trustDomain: TrustDomain): CaState | undefined => {
  const mesh = store.get(MESH_KEY);
  const channel = store.get(CHANNEL_KEY);
  if (mesh === undefined && channel === undefined) {
    if (store.list('svid/').length > 0)
      throw corrupt(MESH_KEY, 'it is gone, while certificates that it issued are there');
    return undefined;
  }
  if (mesh === undefined) throw corrupt(MESH_KEY, 'it is missing');
  if (channel === undefined) throw corrupt(CHANNEL_KEY, 'it is missing');
  const meshDocument = parseDocument(mesh, meshSchema, trustDomain);
  const channelDocument = parseDocument(channel, channelSchema, trustDomain);
  const root = parsePair(MESH_KEY, 'root', meshDocument.root, trustDomain);
  return {
    root,
    intermediate: parsePair(MESH_KEY, 'intermediate', meshDocument.intermediate, trustDomain, root),
    channel: parsePair(CHANNEL_KEY, 'channel', channelDocument.anchor, trustDomain),
  };
};

/** A key leaves here, for the store whose files nobody else may read. */
const stored = (pair: CaKeyPair): StoredPair => ({ certificate: pair.certificate.pem, key: reveal(pair.keyPem) });
const bytes = (document: unknown): Uint8Array => Buffer.from(JSON.stringify(document));

export const meshWrite = (
  trustDomain: TrustDomain,
  root: CaKeyPair,
  intermediate: CaKeyPair,
  ifRevision: number,
): Write => ({
  key: MESH_KEY,
  value: bytes({ schema: SCHEMA, trustDomain, root: stored(root), intermediate: stored(intermediate) }),
  ifRevision,
});

export const channelWrite = (trustDomain: TrustDomain, anchor: CaKeyPair): Write => ({
  key: CHANNEL_KEY,
  value: bytes({ schema: SCHEMA, trustDomain, anchor: stored(anchor) }),
  ifRevision: 0,
});

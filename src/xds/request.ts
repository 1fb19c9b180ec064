import { fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { messageOf } from '../lib/errors.ts';
import { added } from '../lib/lists.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { redact } from './redact.ts';
import { TYPE, type TypeUrl } from './resource.ts';
import type { DeltaRequest, SessionRequest, SotwRequest, Variant } from './sessionState.ts';

/** The `Node` of a request as plain values. Everything in it is the client's own claim. */
export type NodeIdentity = {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: JsonObject;
  /** `envoy/1.40.0`, as far as the client says it. */
  readonly userAgent: string;
};

/** A request on the wire: what the session needs, and the node's bytes, which are read once for a stream. */
export type WireRequest<Request = SessionRequest> = {
  readonly request: Request;
  readonly node: Uint8Array | undefined;
};

/** What a gRPC method speaks: the variant, and for a service of one type that type, which its requests need not name. */
export type Dialect = { readonly variant: Variant; readonly only: TypeUrl | undefined };

/** Far above what Envoy sends; the metadata is kept for as long as the stream. */
const MAX_NODE_BYTES = 256 * 1024;
const MAX_ERROR_CHARACTERS = 4096;
/** All names and versions that a stream may have in one request, and some. What a field costs is paid by everybody else. */
const MAX_FIELDS = 200_000;
/** A map's entry has two, a status three and as many details as Envoy likes. */
const MAX_INNER_FIELDS = 1_000;
const GROUP = 3;

/** Calls `read` for each length-delimited field of a message and skips all others. Throws on bytes that are no message. */
const eachField = (
  bytes: Uint8Array,
  read: (number: number, reader: BinaryReader) => boolean,
  most = MAX_FIELDS,
): void => {
  const reader = new BinaryReader(bytes);
  for (let count = 1; reader.pos < reader.len; count += 1) {
    const [number, wireType] = reader.tag();
    if (count > most) throw new Error(`it has more than ${most} fields`);
    // Not in proto3, and a group hides as many fields as it likes.
    if (wireType === GROUP) throw new Error('it holds a group');
    if (wireType !== 2 || !read(number, reader)) reader.skip(wireType, number);
  }
};

const guarded = <T>(what: string, read: () => T): Result<T, string> => {
  try {
    return ok(read());
  } catch (thrown) {
    return err(`${what} cannot be read: ${messageOf(thrown)}`);
  }
};

/** Reads a request as this method's clients write it; the error says in a sentence why it is none. */
export const readRequest = (bytes: Uint8Array, { variant, only }: Dialect): Result<WireRequest, string> =>
  variant === 'delta' ? readDeltaRequest(bytes, only) : readSotwRequest(bytes, only);

const typeOr = (type: TypeUrl, only: TypeUrl | undefined): TypeUrl => {
  if (type === '' && only === undefined) throw new Error('it names no type_url');
  if (type !== '' && only !== undefined && type !== only) throw new Error(`its type_url is not ${only}`);
  return type === '' ? (only ?? '') : (typeUrls.get(type) ?? type);
};

/** One string for each type, however often it is read: it is kept, and compared, for as long as the stream. */
const typeUrls: ReadonlyMap<string, TypeUrl> = new Map(Object.values(TYPE).map((url) => [url, url]));

const NO_NAMES: readonly string[] = [];
const NO_VERSIONS: ReadonlyMap<string, string> = new Map();

/** Reads a DiscoveryRequest; the error says in a sentence why it is none. */
export const readSotwRequest = (bytes: Uint8Array, only?: TypeUrl): Result<WireRequest<SotwRequest>, string> =>
  guarded('this DiscoveryRequest', () => {
    let version = '';
    let node: Uint8Array | undefined;
    let type = '';
    let nonce = '';
    let status: Uint8Array | undefined;
    const names: string[] = [];
    eachField(bytes, (number, reader) => {
      if (number === 1) version = reader.string(true);
      else if (number === 2) node = reader.bytes();
      else if (number === 3) names.push(reader.string(true));
      else if (number === 4) type = reader.string(true);
      else if (number === 5) nonce = reader.string(true);
      else if (number === 6) status = reader.bytes();
      else return false;
      return true;
    });
    const error = status && readStatus(status);
    return {
      request: { kind: 'request', variant: 'sotw', type: typeOr(type, only), nonce, error, names, version },
      node,
    };
  });

/** Reads a DeltaDiscoveryRequest; the error says in a sentence why it is none. */
export const readDeltaRequest = (bytes: Uint8Array, only?: TypeUrl): Result<WireRequest<DeltaRequest>, string> =>
  readAck(bytes, only) ?? readAnyDelta(bytes, only);

const TYPE_URL_TAG = (2 << 3) | 2;
const NONCE_TAG = (6 << 3) | 2;

/** Most requests by far: an ACK as Envoy writes it, a type that Signet serves and a nonce of ours. `undefined` for all others. */
const readAck = (
  bytes: Uint8Array,
  only: TypeUrl | undefined,
): Result<WireRequest<DeltaRequest>, string> | undefined => {
  const head = 2 + (bytes[1] ?? 0);
  const nonceLength = bytes[head + 1] ?? 0;
  if (bytes[0] !== TYPE_URL_TAG || bytes[head] !== NONCE_TAG || bytes.length !== head + 2 + nonceLength)
    return undefined;
  // Lengths of two bytes, and all that is not ASCII.
  for (let at = 1; at < bytes.length; at += 1) if ((bytes[at] as number) > 127) return undefined;
  const text = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes);
  const type = typeUrls.get(text.toString('latin1', 2, head));
  if (type === undefined || (only !== undefined && type !== only)) return undefined;
  const nonce = text.toString('latin1', head + 2);
  const request: DeltaRequest = {
    kind: 'request',
    variant: 'delta',
    type,
    nonce,
    error: undefined,
    subscribe: NO_NAMES,
    unsubscribe: NO_NAMES,
    initialResourceVersions: NO_VERSIONS,
  };
  return ok({ request, node: undefined });
};

const readAnyDelta = (bytes: Uint8Array, only: TypeUrl | undefined): Result<WireRequest<DeltaRequest>, string> =>
  guarded('this DeltaDiscoveryRequest', () => {
    let node: Uint8Array | undefined;
    let type = '';
    let nonce = '';
    let status: Uint8Array | undefined;
    // An ACK has none of these, and most requests are ACKs.
    let subscribe: string[] | undefined;
    let unsubscribe: string[] | undefined;
    let held: Map<string, string> | undefined;
    eachField(bytes, (number, reader) => {
      if (number === 1) node = reader.bytes();
      else if (number === 2) type = reader.string(true);
      else if (number === 3) subscribe = added(subscribe, reader.string(true));
      else if (number === 4) unsubscribe = added(unsubscribe, reader.string(true));
      else if (number === 5) held = declared(held, reader.bytes());
      else if (number === 6) nonce = reader.string(true);
      else if (number === 7) status = reader.bytes();
      else return false;
      return true;
    });
    const error = status && readStatus(status);
    const request: DeltaRequest = {
      kind: 'request',
      variant: 'delta',
      type: typeOr(type, only),
      nonce,
      error,
      subscribe: subscribe ?? NO_NAMES,
      unsubscribe: unsubscribe ?? NO_NAMES,
      initialResourceVersions: held ?? NO_VERSIONS,
    };
    return { request, node };
  });

const declared = (held: Map<string, string> | undefined, bytes: Uint8Array): Map<string, string> =>
  (held ?? new Map<string, string>()).set(...readEntry(bytes));

const readEntry = (bytes: Uint8Array): readonly [string, string] => {
  let key = '';
  let value = '';
  eachField(
    bytes,
    (number, reader) => {
      if (number === 1) key = reader.string(true);
      else if (number === 2) value = reader.string(true);
      else return false;
      return true;
    },
    MAX_INNER_FIELDS,
  );
  return [key, value];
};

/** The message of a `google.rpc.Status`, without keys and tokens. */
const readStatus = (bytes: Uint8Array): string => {
  let message = '';
  eachField(
    bytes,
    (number, reader) => {
      if (number !== 2) return false;
      message = reader.string(false);
      return true;
    },
    MAX_INNER_FIELDS,
  );
  return redact(message, MAX_ERROR_CHARACTERS);
};

/** Only the id of a node, which is all that later messages are compared by. */
export const readNodeId = (bytes: Uint8Array): Result<string, string> =>
  guarded('the node', () => {
    let id = '';
    eachField(bytes, (number, reader) => {
      if (number !== 1) return false;
      id = reader.string(true);
      return true;
    });
    return id;
  });

/** Reads the whole `envoy.config.core.v3.Node`, metadata included. */
export const readNode = (bytes: Uint8Array): Result<NodeIdentity, string> =>
  guarded('the node', () => {
    if (bytes.length > MAX_NODE_BYTES) throw new Error(`it is larger than ${MAX_NODE_BYTES} bytes`);
    let id = '';
    let cluster = '';
    let metadata: JsonObject = {};
    let agent = '';
    let version = '';
    eachField(bytes, (number, reader) => {
      if (number === 1) id = reader.string(true);
      else if (number === 2) cluster = reader.string(true);
      else if (number === 3) metadata = toJson(StructSchema, fromBinary(StructSchema, reader.bytes())) as JsonObject;
      else if (number === 6) agent = reader.string(true);
      else if (number === 7) version = reader.string(true);
      else if (number === 8) version = readBuildVersion(reader.bytes());
      else return false;
      return true;
    });
    return { id, cluster, metadata, userAgent: version === '' ? agent : `${agent}/${version}` };
  });

/** `envoy.config.core.v3.BuildVersion`: its `version` is a SemanticVersion {major, minor, patch}. */
const readBuildVersion = (bytes: Uint8Array): string => {
  const parts = [0, 0, 0];
  eachField(bytes, (number, reader) => {
    if (number !== 1) return false;
    const inner = new BinaryReader(reader.bytes());
    while (inner.pos < inner.len) {
      const [part, wireType] = inner.tag();
      if (wireType === 0 && part >= 1 && part <= 3) parts[part - 1] = inner.uint32();
      else inner.skip(wireType, part);
    }
    return true;
  });
  return parts.join('.');
};

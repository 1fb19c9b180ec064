import { type Resource, TYPE } from './resource.ts';
import type { SessionResponse } from './sessionState.ts';

/*
 * Responses of both variants by concatenation: a resource is encoded once, and a response once for all streams that are sent the same.
 * Field numbers: envoy/service/discovery/v3/discovery.proto; `test/unit/xds/wire.test.ts` holds them against two decoders.
 */
const RESPONSE = { systemVersionInfo: 1, resources: 2, typeUrl: 4, nonce: 5, removedResources: 6 } as const;
const RESOURCE = { version: 1, resource: 2, name: 3 } as const;

const LENGTH_DELIMITED = 2;

const varint = (value: number): readonly number[] => {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  return [...bytes, rest];
};

/** Tag and length of a length-delimited field. */
const head = (field: number, length: number): Buffer =>
  Buffer.from([...varint((field << 3) | LENGTH_DELIMITED), ...varint(length)]);

const bytesField = (field: number, bytes: Uint8Array): readonly Uint8Array[] => [head(field, bytes.length), bytes];

const textField = (field: number, text: string): readonly Uint8Array[] =>
  // proto3: an empty string in a singular field is not written.
  text === '' ? [] : bytesField(field, Buffer.from(text, 'utf8'));

/** `resources` of a DeltaDiscoveryResponse: one `Resource` with its tag and length. */
const resourceField = (resource: Resource): readonly Uint8Array[] => {
  const parts = [
    ...textField(RESOURCE.version, resource.version),
    ...bytesField(RESOURCE.resource, resource.any),
    ...textField(RESOURCE.name, resource.name),
  ];
  return [
    head(
      RESPONSE.resources,
      parts.reduce((sum, part) => sum + part.length, 0),
    ),
    ...parts,
  ];
};

/** The bytes of one response, for a gRPC method whose serializer is the identity. */
export const encodeResponse = (response: SessionResponse): Buffer => {
  const body = isShared(response) ? sharedBody(response) : encodeBody(response);
  const nonce = Buffer.byteLength(response.nonce, 'utf8');
  if (nonce === 0) return Buffer.concat([body]);
  const tag = head(RESPONSE.nonce, nonce);
  const bytes = Buffer.allocUnsafe(body.length + tag.length + nonce);
  bytes.set(body);
  bytes.set(tag, body.length);
  bytes.write(response.nonce, body.length + tag.length, 'utf8');
  return bytes;
};

/** Secrets are one sidecar's own, and a key is kept nowhere that it need not be. */
const isShared = ({ type, removed }: SessionResponse): boolean => removed.length === 0 && type !== TYPE.sds;

/** What was encoded last for responses that begin with a resource. Dropped as a whole when it has grown large. */
const bodies = new Map<Resource, { readonly of: SessionResponse; readonly body: Buffer }>();
const MAX_BODIES = 4 * 1024 * 1024;
let kept = 0;

/** Streams that are sent the same share all bytes of a response but the nonce, which stands at its end. */
const sharedBody = (response: SessionResponse): Buffer => {
  const [first] = response.resources;
  if (first === undefined) return encodeBody(response);
  const known = bodies.get(first);
  if (known !== undefined && saysTheSame(known.of, response)) return known.body;
  // A copy of its own: a slice of Node's pool would keep all of the pool.
  const body = Buffer.from(new Uint8Array(encodeBody(response)).buffer);
  kept += body.length - (known?.body.length ?? 0);
  if (kept > MAX_BODIES) {
    bodies.clear();
    kept = body.length;
  }
  bodies.set(first, { of: response, body });
  return body;
};

const saysTheSame = (a: SessionResponse, b: SessionResponse): boolean =>
  a.variant === b.variant &&
  a.type === b.type &&
  a.version === b.version &&
  a.resources.length === b.resources.length &&
  a.resources.every((resource, at) => resource === b.resources[at]);

/** All but the nonce. */
const encodeBody = (response: SessionResponse): Buffer =>
  response.variant === 'delta' ? encodeDelta(response) : encodeSotw(response);

/** A DiscoveryResponse has the type's version, the bare resources, the type and the nonce in fields of the same numbers. */
const encodeSotw = (response: SessionResponse): Buffer =>
  Buffer.concat([
    ...textField(RESPONSE.systemVersionInfo, response.version),
    ...response.resources.flatMap((resource) => bytesField(RESPONSE.resources, resource.any)),
    ...textField(RESPONSE.typeUrl, response.type),
  ]);

const encodeDelta = (response: SessionResponse): Buffer =>
  Buffer.concat([
    ...textField(RESPONSE.systemVersionInfo, response.version),
    ...response.resources.flatMap(resourceField),
    ...textField(RESPONSE.typeUrl, response.type),
    // A repeated field keeps its empty strings, so this one is written even if it is empty.
    ...response.removed.flatMap((name) => bytesField(RESPONSE.removedResources, Buffer.from(name, 'utf8'))),
  ]);

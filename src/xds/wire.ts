import { HEAD, writeMessageHead } from './grpc/framing.ts';
import { areSame } from './holdings.ts';
import { type Resource, TYPE } from './resource.ts';
import type { SessionResponse } from './sessionState.ts';

/*
 * Responses of both variants by concatenation: a resource is encoded once, and a response once for all streams that are sent the same.
 * Field numbers: envoy/service/discovery/v3/discovery.proto; `test/unit/xds/wire.test.ts` holds them against two decoders.
 */
const RESPONSE = { systemVersionInfo: 1, resources: 2, typeUrl: 4, nonce: 5, removedResources: 6 } as const;
const RESOURCE = { version: 1, resource: 2, name: 3 } as const;

const LENGTH_DELIMITED = 2;

const varintSize = (value: number): number => {
  let size = 1;
  for (let rest = value; rest > 127; rest >>>= 7) size += 1;
  return size;
};

/** Of a length-delimited field with its tag, which is one byte for all fields here. */
const fieldSize = (length: number): number => 1 + varintSize(length) + length;

// proto3: an empty string in a singular field is not written.
const textSize = (text: string): number => (text === '' ? 0 : fieldSize(Buffer.byteLength(text, 'utf8')));

/** Writes fields one after the other into bytes that are large enough. */
type Writing = { readonly bytes: Buffer; at: number };

const writeHead = (to: Writing, field: number, length: number): void => {
  to.bytes[to.at++] = (field << 3) | LENGTH_DELIMITED;
  let rest = length;
  for (; rest > 127; rest >>>= 7) to.bytes[to.at++] = (rest & 127) | 128;
  to.bytes[to.at++] = rest;
};

const writeBytes = (to: Writing, field: number, bytes: Uint8Array): void => {
  writeHead(to, field, bytes.length);
  to.bytes.set(bytes, to.at);
  to.at += bytes.length;
};

const writeName = (to: Writing, field: number, name: string): void => {
  writeHead(to, field, Buffer.byteLength(name, 'utf8'));
  to.at += to.bytes.write(name, to.at, 'utf8');
};

const writeText = (to: Writing, field: number, text: string): void => {
  if (text !== '') writeName(to, field, text);
};

/** The bytes of one response, with the head of a gRPC message before them: they are copied nowhere on their way to the transport. */
export const encodeFramed = (response: SessionResponse): Buffer => {
  const known = isShared(response) ? sharedBody(response) : undefined;
  const length = (known === undefined ? bodySize(response) : known.length) + textSize(response.nonce);
  const to = { bytes: Buffer.allocUnsafe(HEAD + length), at: HEAD };
  writeMessageHead(to.bytes);
  if (known === undefined) writeBody(to, response);
  else {
    to.bytes.set(known, HEAD);
    to.at += known.length;
  }
  writeText(to, RESPONSE.nonce, response.nonce);
  return to.bytes;
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
  const body = encodeBody(response);
  kept += body.length - (known?.body.length ?? 0);
  if (kept > MAX_BODIES) {
    bodies.clear();
    kept = body.length;
  }
  bodies.set(first, { of: response, body });
  return body;
};

const saysTheSame = (a: SessionResponse, b: SessionResponse): boolean =>
  a.variant === b.variant && a.type === b.type && a.version === b.version && areSame(a.resources, b.resources);

/** All but the nonce. */
const encodeBody = (response: SessionResponse): Buffer => {
  // Memory of its own: a slice of Node's pool would keep all of the pool.
  const to = { bytes: Buffer.allocUnsafeSlow(bodySize(response)), at: 0 };
  writeBody(to, response);
  return to.bytes;
};

const bodySize = ({ variant, version, type, resources, removed }: SessionResponse): number => {
  let size = textSize(version) + textSize(type);
  for (const resource of resources)
    size += fieldSize(variant === 'delta' ? resourceSize(resource) : resource.any.length);
  if (variant === 'delta') for (const name of removed) size += fieldSize(Buffer.byteLength(name, 'utf8'));
  return size;
};

/** A `Resource` of a DeltaDiscoveryResponse, without its tag and length. */
const resourceSize = ({ version, any, name }: Resource): number =>
  textSize(version) + fieldSize(any.length) + textSize(name);

const writeBody = (to: Writing, response: SessionResponse): void =>
  response.variant === 'delta' ? writeDelta(to, response) : writeSotw(to, response);

/** A DiscoveryResponse has the type's version, the bare resources, the type and the nonce in fields of the same numbers. */
const writeSotw = (to: Writing, { version, type, resources }: SessionResponse): void => {
  writeText(to, RESPONSE.systemVersionInfo, version);
  for (const { any } of resources) writeBytes(to, RESPONSE.resources, any);
  writeText(to, RESPONSE.typeUrl, type);
};

const writeDelta = (to: Writing, { version, type, resources, removed }: SessionResponse): void => {
  writeText(to, RESPONSE.systemVersionInfo, version);
  for (const resource of resources) {
    writeHead(to, RESPONSE.resources, resourceSize(resource));
    writeText(to, RESOURCE.version, resource.version);
    writeBytes(to, RESOURCE.resource, resource.any);
    writeText(to, RESOURCE.name, resource.name);
  }
  writeText(to, RESPONSE.typeUrl, type);
  // A repeated field keeps its empty strings, so this one is written even if it is empty.
  for (const name of removed) writeName(to, RESPONSE.removedResources, name);
};

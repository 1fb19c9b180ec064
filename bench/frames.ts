import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/*
 * The wire as the simulated sidecars read and write it: gRPC frames and the outer fields of the delta messages. What is inside a resource
 * is skipped, so that the clients, which share the machine's cores with the server, cost as little as they can.
 * https://github.com/envoyproxy/envoy/blob/v1.40.0/api/envoy/service/discovery/v3/discovery.proto
 */

/** What a sidecar needs to know of a response. */
export type SeenResponse = {
  readonly type: string;
  readonly nonce: string;
  readonly resources: readonly (readonly [name: string, version: string])[];
  readonly removed: readonly string[];
};

export type DeltaRequest = {
  readonly type: string;
  readonly node?: string;
  readonly nonce?: string;
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly held?: ReadonlyMap<string, string>;
};

const HEAD = 5;

/** One gRPC message, not compressed. */
export const frame = (message: Uint8Array): Buffer => {
  const bytes = Buffer.allocUnsafe(HEAD + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, HEAD);
  return bytes;
};

/** Cuts a stream of bytes into gRPC messages. */
export const unframe = (take: (message: Buffer) => void): ((bytes: Buffer) => void) => {
  let parts: Buffer[] = [];
  let length = 0;
  return (bytes) => {
    parts.push(bytes);
    length += bytes.length;
    while (length >= HEAD) {
      const first = parts[0] as Buffer;
      const head = first.length >= HEAD ? first : Buffer.concat(parts, length);
      const end = HEAD + head.readUInt32BE(1);
      if (length < end) return;
      const whole = parts.length === 1 ? first : Buffer.concat(parts, length);
      take(whole.subarray(HEAD, end));
      parts = end < length ? [whole.subarray(end)] : [];
      length -= end;
    }
  };
};

const eachField = (bytes: Uint8Array, read: (field: number, reader: BinaryReader) => boolean): void => {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (!read(field, reader)) reader.skip(wireType, field);
  }
};

/** A DeltaDiscoveryResponse; resources are `{version = 1, resource = 2, name = 3}`. */
export const readResponse = (bytes: Uint8Array): SeenResponse => {
  let [type, nonce] = ['', ''];
  const resources: [string, string][] = [];
  const removed: string[] = [];
  eachField(bytes, (field, reader) => {
    if (field === 2) {
      let [name, version] = ['', ''];
      eachField(reader.bytes(), (inner, resource) => {
        if (inner === 1) version = resource.string();
        else if (inner === 3) name = resource.string();
        else return false;
        return true;
      });
      resources.push([name, version]);
    } else if (field === 4) type = reader.string();
    else if (field === 5) nonce = reader.string();
    else if (field === 6) removed.push(reader.string());
    else return false;
    return true;
  });
  return { type, nonce, resources, removed };
};

/** A DeltaDiscoveryRequest as one gRPC message. */
export const writeRequest = (request: DeltaRequest): Buffer => {
  const writer = new BinaryWriter();
  const text = (field: number, value: string): unknown => writer.uint32((field << 3) | 2).string(value);
  if (request.node !== undefined) {
    writer.uint32((1 << 3) | 2).fork();
    text(1, request.node);
    text(6, 'envoy');
    writer.join();
  }
  text(2, request.type);
  for (const name of request.subscribe ?? []) text(3, name);
  for (const name of request.unsubscribe ?? []) text(4, name);
  for (const [name, version] of request.held ?? []) {
    writer.uint32((5 << 3) | 2).fork();
    text(1, name);
    text(2, version);
    writer.join();
  }
  if (request.nonce !== undefined) text(6, request.nonce);
  return frame(writer.finish());
};

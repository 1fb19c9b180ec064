import { hash } from 'node:crypto';
import { bytesOf, type MessageType, packAny, typeUrlOf } from '../envoy/pack.ts';
import { Any } from '../gen/google/protobuf/any.ts';
import { type Location, showLocation } from '../lib/diagnostic.ts';
import { messageOf } from '../lib/errors.ts';

/** One Envoy resource, encoded once. */
export type Emitted = {
  readonly type: string;
  readonly name: string;
  /** Hash of the bytes: every replica computes the same one. */
  readonly version: string;
  /** The encoded `google.protobuf.Any`. */
  readonly any: Uint8Array;
  /** The line of mesh.yaml that it comes from. */
  readonly source: Location | undefined;
};

/** Encodes one resource. The only place where a message becomes bytes. */
export const encode = <T extends { readonly name: string }>(
  type: MessageType<T>,
  message: T,
  source?: Location,
): Emitted => encodeAs(type, message.name, message, source);

/**
 * The same for a message that is named otherwise, as ClusterLoadAssignment is. ts-proto throws on a value that the field cannot hold:
 * that is told with the resource and its line, and whoever emits keeps what it had.
 */
export const encodeAs = <T>(type: MessageType<T>, name: string, message: T, source?: Location): Emitted =>
  encodeWith(type, name, () => packAny(type, message).value, source);

/**
 * The same for a message that was encoded in parts, some of which others have too. The order of fields means nothing, so the parts
 * one after the other are the message (https://protobuf.dev/programming-guides/encoding/#order); no two have the same field, unless
 * it is a repeated one.
 */
export const encodeParts = <T>(
  type: MessageType<T>,
  name: string,
  parts: () => readonly Uint8Array[],
  source?: Location,
): Emitted => encodeWith(type, name, () => Buffer.concat(parts()), source);

const encodeWith = <T>(type: MessageType<T>, name: string, value: () => Buffer, source?: Location): Emitted => {
  const typeUrl = typeUrlOf(type);
  const any = encoded(type, name, value, source);
  const version = hash('sha256', any, 'base64url').slice(0, 16);
  return { type: typeUrl, name, version, any, source };
};

const encoded = <T>(type: MessageType<T>, name: string, value: () => Buffer, source?: Location): Uint8Array => {
  try {
    return bytesOf(Any, { typeUrl: typeUrlOf(type), value: value() });
  } catch (cause) {
    const where = source === undefined ? '' : `${showLocation(source)} `;
    throw new Error(`${where}${type.$type} ${name} cannot be encoded: ${messageOf(cause)}`, { cause });
  }
};

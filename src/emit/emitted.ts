import { hash } from 'node:crypto';
import { anyBytesOf, anyParts, bytesOfParts, type MessageType, type Part, typeUrlOf } from '../envoy/pack.ts';
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
  encodeWith(type, name, () => anyBytesOf(type, message), source);

/** The same for a message that was encoded in parts. */
export const encodeParts = (
  type: { readonly $type: string },
  name: string,
  parts: () => readonly Part[],
  source?: Location,
): Emitted => encodeWith(type, name, () => bytesOfParts(anyParts(type, parts())), source);

const encodeWith = (
  type: { readonly $type: string },
  name: string,
  make: () => Uint8Array,
  source: Location | undefined,
): Emitted => {
  const any = encoded(type, name, make, source);
  const version = hash('sha256', any, 'base64url').slice(0, 16);
  return { type: typeUrlOf(type), name, version, any, source };
};

const encoded = (
  type: { readonly $type: string },
  name: string,
  make: () => Uint8Array,
  source: Location | undefined,
): Uint8Array => {
  try {
    return make();
  } catch (cause) {
    const where = source === undefined ? '' : `${showLocation(source)} `;
    throw new Error(`${where}${type.$type} ${name} cannot be encoded: ${messageOf(cause)}`, { cause });
  }
};

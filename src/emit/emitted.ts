import { createHash } from 'node:crypto';
import { type MessageType, typeUrlOf } from '../envoy/pack.ts';
import { Any } from '../gen/google/protobuf/any.ts';
import type { Location } from '../lib/diagnostic.ts';

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

/** The same for a message that is named otherwise, as ClusterLoadAssignment is. */
export const encodeAs = <T>(type: MessageType<T>, name: string, message: T, source?: Location): Emitted => {
  const typeUrl = typeUrlOf(type);
  const any = Any.encode({ typeUrl, value: Buffer.from(type.encode(message).finish()) }).finish();
  const version = createHash('sha256').update(any).digest('base64url').slice(0, 16);
  return { type: typeUrl, name, version, any, source };
};

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Address, SocketAddress } from '../gen/envoy/config/core/v3/address.ts';
import { ApiVersion, ConfigSource } from '../gen/envoy/config/core/v3/config_source.ts';
import { Any } from '../gen/google/protobuf/any.ts';
import type { Duration as ProtoDuration } from '../gen/google/protobuf/duration.ts';
import type { Duration } from '../lib/time.ts';

/** What every generated message type offers. */
export type MessageType<T> = {
  readonly $type: string;
  readonly encode: (message: T, writer?: BinaryWriter) => { finish: () => Uint8Array };
};

export const typeUrlOf = (type: { readonly $type: string }): string => `type.googleapis.com/${type.$type}`;

/** For all messages: its buffer has grown to what they need. */
let writer = new BinaryWriter();
const LARGE = 1024 * 1024;

/** What `write` writes. */
const written = (write: (writer: BinaryWriter) => void): Buffer => {
  let isClean = false;
  try {
    write(writer);
    const bytes = writer.finish();
    isClean = bytes.length < LARGE;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } finally {
    // It holds half a message, or the memory of a very large one.
    if (!isClean) writer = new BinaryWriter();
  }
};

/**
 * The bytes of a message. What is inside another message is to be whole, every field there: a blank of the large ones is made once with
 * `fromPartial` and spread, for `fromPartial` copies all that is inside, at every level anew.
 */
export const bytesOf = <T>(type: MessageType<T>, message: T): Buffer => written((to) => void type.encode(message, to));

/** A message inside a `google.protobuf.Any`. */
export const packAny = <T>(type: MessageType<T>, message: T): Any => ({
  typeUrl: typeUrlOf(type),
  value: bytesOf(type, message),
});

/**
 * A part of a message: fields that are encoded already, or one field that is a message of parts itself. Parts one after the other are the
 * message (https://protobuf.dev/programming-guides/encoding/#order), as long as no two of them have the same field, unless it is a
 * repeated one; so what many messages have in common is encoded once.
 */
export type Part = Uint8Array | { readonly field: number; readonly parts: readonly Part[] };

const writeParts = (to: BinaryWriter, parts: readonly Part[]): void => {
  for (let i = 0; i < parts.length; i += 1) {
    const part = parts[i];
    if (part instanceof Uint8Array) to.raw(part);
    else if (part !== undefined) {
      to.tag(part.field, WireType.LengthDelimited).fork();
      writeParts(to, part.parts);
      to.join();
    }
  }
};

const headOf = (type: { readonly $type: string }): Buffer => {
  const known = heads.get(type.$type);
  if (known !== undefined) return known;
  const head = bytesOf(Any, { typeUrl: typeUrlOf(type), value: Buffer.alloc(0) });
  heads.set(type.$type, head);
  return head;
};

/** There are some dozen types. */
const heads = new Map<string, Buffer>();

/** The fields of the `google.protobuf.Any` of a message that was encoded in parts. */
export const anyParts = (type: { readonly $type: string }, parts: readonly Part[]): readonly Part[] => [
  headOf(type),
  { field: 2, parts },
];

/** The bytes of the `google.protobuf.Any` of a message. */
export const anyBytesOf = <T>(type: MessageType<T>, message: T): Buffer => {
  const head = headOf(type);
  return written((to) => {
    to.raw(head).tag(2, WireType.LengthDelimited).fork();
    type.encode(message, to);
    to.join();
  });
};

export const bytesOfParts = (parts: readonly Part[]): Buffer => written((to) => writeParts(to, parts));

/** Milliseconds as a protobuf duration. */
export const duration = (span: Duration): ProtoDuration => ({
  seconds: BigInt(Math.floor(span / 1000)),
  nanos: Math.round((span % 1000) * 1e6),
});

const ADS: ConfigSource = ConfigSource.fromPartial({
  resourceApiVersion: ApiVersion.V3,
  initialFetchTimeout: duration(0),
  configSourceSpecifier: { $case: 'ads', value: {} },
});

/**
 * Taken from the same ADS stream, awaited without end: after a timeout Envoy would replace a good listener by one
 * that resets everything (docs/envoy-facts.md).
 */
export const fromAds = (): ConfigSource => ADS;

const SOCKET_ADDRESS = SocketAddress.fromPartial({});

/** `::` is every address, IPv4 ones too. */
export const socketAddress = (host: string, port: number): Address => ({
  address: {
    $case: 'socketAddress',
    value: {
      ...SOCKET_ADDRESS,
      address: host,
      portSpecifier: { $case: 'portValue', value: port },
      ipv4Compat: host === '::',
    },
  },
});

export const pipeAddress = (path: string): Address =>
  Address.fromPartial({ address: { $case: 'pipe', value: { path } } });

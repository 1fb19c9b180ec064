import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { Address, SocketAddress } from '../gen/envoy/config/core/v3/address.ts';
import { ApiVersion, ConfigSource } from '../gen/envoy/config/core/v3/config_source.ts';
import type { Any } from '../gen/google/protobuf/any.ts';
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

/**
 * The bytes of a message. What is inside another message is to be whole, every field there: a blank of the large ones is made once with
 * `fromPartial` and spread, for `fromPartial` copies all that is inside, at every level anew.
 */
export const bytesOf = <T>(type: MessageType<T>, message: T): Buffer => {
  let isClean = false;
  try {
    const bytes = type.encode(message, writer).finish();
    isClean = bytes.length < LARGE;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } finally {
    // It holds half a message, or the memory of a very large one.
    if (!isClean) writer = new BinaryWriter();
  }
};

/** A message inside a `google.protobuf.Any`. */
export const packAny = <T>(type: MessageType<T>, message: T): Any => ({
  typeUrl: typeUrlOf(type),
  value: bytesOf(type, message),
});

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

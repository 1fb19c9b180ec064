import { Address } from '../gen/envoy/config/core/v3/address.ts';
import { ApiVersion, ConfigSource } from '../gen/envoy/config/core/v3/config_source.ts';
import type { Any } from '../gen/google/protobuf/any.ts';
import type { Duration as ProtoDuration } from '../gen/google/protobuf/duration.ts';
import type { Duration } from '../lib/time.ts';

/** What every generated message type offers. */
export type MessageType<T> = {
  readonly $type: string;
  readonly encode: (message: T) => { finish: () => Uint8Array };
};

export const typeUrlOf = (type: { readonly $type: string }): string => `type.googleapis.com/${type.$type}`;

/** A message inside a `google.protobuf.Any`. */
export const packAny = <T>(type: MessageType<T>, message: T): Any => ({
  typeUrl: typeUrlOf(type),
  value: Buffer.from(type.encode(message).finish()),
});

/** Milliseconds as a protobuf duration. */
export const duration = (span: Duration): ProtoDuration => ({
  seconds: BigInt(Math.floor(span / 1000)),
  nanos: Math.round((span % 1000) * 1e6),
});

/**
 * Taken from the same ADS stream, awaited without end: after a timeout Envoy would replace a good listener by one
 * that resets everything (docs/envoy-facts.md).
 */
export const fromAds = (): ConfigSource =>
  ConfigSource.fromPartial({
    resourceApiVersion: ApiVersion.V3,
    initialFetchTimeout: duration(0),
    configSourceSpecifier: { $case: 'ads', value: {} },
  });

/** `::` is every address, IPv4 ones too. */
export const socketAddress = (host: string, port: number): Address =>
  Address.fromPartial({
    address: {
      $case: 'socketAddress',
      value: { address: host, portSpecifier: { $case: 'portValue', value: port }, ipv4Compat: host === '::' },
    },
  });

export const pipeAddress = (path: string): Address =>
  Address.fromPartial({ address: { $case: 'pipe', value: { path } } });

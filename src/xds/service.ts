import type { handleBidiStreamingCall, ServiceDefinition } from '@grpc/grpc-js';

const NAME = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

/** Bytes pass through: requests are read when their stream was authenticated, responses are already encoded. */
const identity = (bytes: Buffer): Buffer => bytes;

const bidi = (method: string) => ({
  path: `/${NAME}/${method}`,
  requestStream: true as const,
  responseStream: true as const,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
  originalName: method,
});

/** https://github.com/envoyproxy/envoy/blob/v1.40.0/api/envoy/service/discovery/v3/ads.proto */
export const ADS_SERVICE = {
  StreamAggregatedResources: bidi('StreamAggregatedResources'),
  DeltaAggregatedResources: bidi('DeltaAggregatedResources'),
} satisfies ServiceDefinition;

export const ADS_SERVICE_NAME = NAME;

export type AdsHandler = handleBidiStreamingCall<Buffer, Buffer>;

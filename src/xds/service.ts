import type { handleBidiStreamingCall, handleUnaryCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import { type MethodDefinition, type Server, type ServiceDefinition, status } from '@grpc/grpc-js';
import type { Dialect } from './request.ts';
import { TYPE, type TypeUrl } from './resource.ts';

type Offer = { readonly name: string; readonly noun: string; readonly only: TypeUrl | undefined };

/**
 * ADS, and for each type the service that serves nothing else.
 * https://github.com/envoyproxy/envoy/tree/v1.40.0/api/envoy/service
 */
const OFFERS: readonly Offer[] = [
  { name: 'discovery.v3.AggregatedDiscoveryService', noun: 'AggregatedResources', only: undefined },
  { name: 'cluster.v3.ClusterDiscoveryService', noun: 'Clusters', only: TYPE.cds },
  { name: 'endpoint.v3.EndpointDiscoveryService', noun: 'Endpoints', only: TYPE.eds },
  { name: 'listener.v3.ListenerDiscoveryService', noun: 'Listeners', only: TYPE.lds },
  { name: 'route.v3.RouteDiscoveryService', noun: 'Routes', only: TYPE.rds },
  { name: 'secret.v3.SecretDiscoveryService', noun: 'Secrets', only: TYPE.sds },
].map((offer) => ({ ...offer, name: `envoy.service.${offer.name}` }));

export const SERVICE_NAMES: readonly string[] = OFFERS.map(({ name }) => name);

/** Bytes pass through: requests are read when their stream was authenticated, responses are already encoded. */
const identity = (bytes: Buffer): Buffer => bytes;

/** A method whose messages pass as bytes; `streams` in both directions or in none. */
export const method = (service: string, name: string, streams: boolean): MethodDefinition<Buffer, Buffer> => ({
  path: `/${service}/${name}`,
  requestStream: streams,
  responseStream: streams,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
  originalName: name,
});

/** Polling is no stream: nobody would be told of changes, and nothing is ever acknowledged. */
const noFetch: handleUnaryCall<Buffer, Buffer> = (_call, answer) => {
  const details = 'fetching once is not served: open a stream (`api_type: DELTA_GRPC` or `GRPC`)';
  answer({ code: status.UNIMPLEMENTED, details });
};

/**
 * Binds every method of every discovery service to the one handler, which is told what the method speaks; secrets can be
 * fetched once where there is a handler for that.
 */
export const addDiscovery = (
  server: Server,
  serve: (call: Parameters<handleBidiStreamingCall<Buffer, Buffer>>[0], dialect: Dialect) => void,
  fetchSecrets: handleUnaryCall<Buffer, Buffer> = noFetch,
): void => {
  for (const { name, noun, only } of OFFERS) {
    const speaks =
      (variant: Dialect['variant']): handleBidiStreamingCall<Buffer, Buffer> =>
      (call) =>
        serve(call, { variant, only });
    const methods: Record<string, MethodDefinition<Buffer, Buffer>> = {};
    const handlers: UntypedServiceImplementation = {};
    const add = (verb: string, streams: boolean, handler: UntypedServiceImplementation[string]): void => {
      methods[`${verb}${noun}`] = method(name, `${verb}${noun}`, streams);
      handlers[`${verb}${noun}`] = handler;
    };
    add('Stream', true, speaks('sotw'));
    add('Delta', true, speaks('delta'));
    if (only !== undefined) add('Fetch', false, only === TYPE.sds ? fetchSecrets : noFetch);
    server.addService(methods satisfies ServiceDefinition, handlers);
  }
};

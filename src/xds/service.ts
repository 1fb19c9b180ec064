import type { Call } from './grpc/call.ts';
import type { GrpcServer, Method } from './grpc/grpcServer.ts';
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

export type Discovery = {
  /** A stream, and what it speaks. */
  readonly stream: (call: Call, dialect: Dialect) => void;
  /** Secrets can be fetched once. */
  readonly fetchSecrets: Method;
  /** Polling is no stream: nobody would be told of changes, and nothing is ever acknowledged. */
  readonly noFetch: Method;
};

/** Binds every method of every discovery service. */
export const addDiscovery = (server: GrpcServer, { stream, fetchSecrets, noFetch }: Discovery): void => {
  for (const { name, noun, only } of OFFERS) {
    server.serve(`/${name}/Stream${noun}`, (call) => stream(call, { variant: 'sotw', only }));
    server.serve(`/${name}/Delta${noun}`, (call) => stream(call, { variant: 'delta', only }));
    if (only !== undefined) server.serve(`/${name}/Fetch${noun}`, only === TYPE.sds ? fetchSecrets : noFetch);
  }
};

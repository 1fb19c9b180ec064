import type { Instant } from '../lib/time.ts';
import type { ServiceKey } from '../model/mesh.ts';
import type { HostPort, ProxyRef } from '../plan/proxyPlan.ts';
import type { StreamId } from '../xds/events.ts';

export type { StreamId };

/** What a stream's credential proves, before it says which node it is. */
export type Caller = {
  /** The join token that it joined with, by whichever credential it comes. */
  readonly token: string;
  readonly service: ServiceKey;
  readonly peer: { readonly address: string; readonly port: number };
  /** Of one that showed a client certificate: the node id that it was issued to, and when it ends. */
  readonly certificate?: { readonly node: string; readonly serial: string; readonly notAfter: Instant };
};

/** What waits apart from all else: a certificate is of one instance, a token of all that it may join. */
export const credentialOf = ({ token, certificate }: Caller): string => certificate?.node ?? token;

/** A sidecar that was let in, on one live stream. */
export type Sidecar = {
  readonly stream: StreamId;
  /** `NAMESPACE/NAME/INSTANCE` */
  readonly node: string;
  readonly service: ServiceKey;
  readonly token: string;
  readonly peer: string;
  /** When the certificate that its stream was opened with ends; `undefined` for one that came with a token alone. */
  readonly certificateEnds: Instant | undefined;
  /** Its serial. */
  readonly credential: string | undefined;
  /** Where this process can ask its Envoy what it holds; `undefined` for all that is not on this host or an address of its own. */
  readonly envoyAdmin: HostPort | undefined;
  /** Names of the channel's anchors in its bootstrap; `undefined` in one of an earlier Signet. */
  readonly anchors: readonly string[] | undefined;
  /** What callers are told; `undefined` for a service that nobody calls at a registered address. */
  readonly address: string | undefined;
  readonly ref: ProxyRef;
  /** `grpc`: an application that speaks xDS itself. It calls, and nobody calls it. */
  readonly client: 'envoy' | 'grpc';
  readonly connectedSince: Instant;
};

/** The outbound port of a bootstrap that names none. */
export const DEFAULT_OUTBOUND: HostPort = { host: '127.0.0.1', port: 15001 };

/** Sidecars of one key are planned alike to the last byte but for their secrets. */
export const planKey = ({ ref, client }: Pick<Sidecar, 'ref' | 'client'>): string =>
  `${client} ${ref.service} ${ref.address ?? ''} ${ref.outbound.host} ${ref.outbound.port}`;

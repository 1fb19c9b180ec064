/** A type URL, for example `type.googleapis.com/envoy.config.cluster.v3.Cluster`. */
export type TypeUrl = string;

/** One resource, encoded once; the bytes are shared by every stream that is sent it. */
export type Resource = {
  readonly name: string;
  /** Hash of the bytes: nothing changed, nothing is pushed. */
  readonly version: string;
  /** The encoded `google.protobuf.Any`. */
  readonly any: Uint8Array;
};

/** Everything that one sidecar may be sent, by type and name. */
export type Snapshot = ReadonlyMap<TypeUrl, ReadonlyMap<string, Resource>>;

const envoyType = (name: string): TypeUrl => `type.googleapis.com/envoy.${name}`;

export const TYPE = {
  cds: envoyType('config.cluster.v3.Cluster'),
  eds: envoyType('config.endpoint.v3.ClusterLoadAssignment'),
  lds: envoyType('config.listener.v3.Listener'),
  rds: envoyType('config.route.v3.RouteConfiguration'),
  sds: envoyType('extensions.transport_sockets.tls.v3.Secret'),
} as const satisfies Record<string, TypeUrl>;

export type TypeName = keyof typeof TYPE;

const names: ReadonlyMap<TypeUrl, TypeName> = new Map(
  (Object.keys(TYPE) as TypeName[]).map((name) => [TYPE[name], name] as const),
);

/** The short name of a type that Signet serves, or `undefined` for any other. */
export const typeNameOf = (url: TypeUrl): TypeName | undefined => names.get(url);

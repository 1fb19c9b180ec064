import { readFileSync } from 'node:fs';
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, type MessageTypeDefinition } from '@grpc/proto-loader';

/**
 * A sidecar's side of ADS over TLS, for tests and benchmarks; state of the world is in `sotwClient.ts`. It shares no code with `src/xds`: messages are encoded and
 * decoded by @grpc/proto-loader from the descriptors that the generated code was made of.
 */
export type AdsClientOptions = {
  readonly address: { readonly host: string; readonly port: number };
  /** PEM of the channel CA. */
  readonly anchorPem: string;
  /** The one URI that the server's certificate must name. */
  readonly serverId: string;
  /** Sent as `authorization: Bearer …`. */
  readonly token?: string;
  /** Shown in the handshake; PEM, leaf first. */
  readonly certificate?: { readonly chainPem: string; readonly keyPem: string };
  readonly nodeId: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** ACK every response by itself. Default false. */
  readonly autoAck?: boolean;
};

/** `typeUrl` and `value` are those of its Any. */
export type AdsResource = {
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  readonly value: Buffer;
};

export type AdsResponse = {
  readonly type: string;
  readonly nonce: string;
  readonly version: string;
  readonly resources: readonly AdsResource[];
  readonly removed: readonly string[];
};

export type Asking = {
  readonly subscribe?: readonly string[];
  readonly unsubscribe?: readonly string[];
  readonly initialResourceVersions?: Readonly<Record<string, string>>;
  readonly nonce?: string;
  readonly error?: string;
  /** State of the world: all names; if absent those of the last request. */
  readonly names?: readonly string[];
  /** State of the world: the version that is held; if absent the last that was ACKed. */
  readonly version?: string;
  /** Sent instead of the client's own id. */
  readonly nodeId?: string;
};

export type AdsClient = {
  /** One request; the node goes with the first one. */
  readonly ask: (type: string, asking?: Asking) => void;
  readonly ack: (response: AdsResponse) => void;
  readonly nack: (response: AdsResponse, message: string) => void;
  /** Bytes that need not be a request. */
  readonly askRaw: (bytes: Buffer) => void;
  /** The next response. Rejects with the status if the stream ends first, or after `within` ms (default 5000). */
  readonly next: (within?: number) => Promise<AdsResponse>;
  /** What came and was not taken by `next`. */
  readonly queued: () => readonly AdsResponse[];
  /** All that this client holds, by type and name: responses applied in order. */
  readonly held: ReadonlyMap<string, ReadonlyMap<string, AdsResource>>;
  /** Calls back on every response after it was applied. */
  readonly onResponse: (listener: (response: AdsResponse) => void) => void;
  /** Reads no more, so that the server's writes pile up. */
  readonly pause: () => void;
  /** How the stream ended. */
  readonly ended: Promise<{ readonly code: status; readonly details: string }>;
  readonly close: () => void;
};

const PACKAGE = 'envoy.service.discovery.v3';
const OPTIONS = { keepCase: true, longs: String, enums: String, defaults: true, arrays: true, oneofs: true } as const;

type Codec = {
  readonly encode: (message: object) => Buffer;
  readonly decode: (bytes: Buffer) => Readonly<Record<string, unknown>>;
};

const loaded = (() => {
  const image = readFileSync(new URL('../../src/gen/image.binpb', import.meta.url));
  return loadFileDescriptorSetFromBuffer(image, OPTIONS);
})();

/** The independent codec of one message, by its full name. */
export const codecOf = (name: string): Codec => {
  const type = loaded[name] as MessageTypeDefinition<object, object> | undefined;
  if (type?.format !== 'Protocol Buffer 3 DescriptorProto') throw new Error(`${name} is not in the generated image`);
  return {
    encode: (message) => type.serialize(message),
    decode: (bytes) => type.deserialize(bytes) as Record<string, unknown>,
  };
};

const REQUEST = codecOf(`${PACKAGE}.DeltaDiscoveryRequest`);
const RESPONSE = codecOf(`${PACKAGE}.DeltaDiscoveryResponse`);

type WireResource = { name: string; version: string; resource: { type_url: string; value: Buffer } };

/** Reads a DeltaDiscoveryResponse. */
export const decodeResponse = (bytes: Buffer): AdsResponse => {
  const wire = RESPONSE.decode(bytes) as {
    system_version_info: string;
    resources: WireResource[];
    type_url: string;
    nonce: string;
    removed_resources: string[];
  };
  const resources = wire.resources.map((r) => ({
    name: r.name,
    version: r.version,
    typeUrl: r.resource.type_url,
    value: r.resource.value,
  }));
  const { nonce, removed_resources: removed } = wire;
  return { type: wire.type_url, nonce, version: wire.system_version_info, resources, removed };
};

/** Maps are lists of entries for a codec that was loaded from descriptors. */
const entries = (map: Readonly<Record<string, unknown>>, show: (value: unknown) => unknown): readonly object[] =>
  Object.entries(map).map(([key, value]) => ({ key, value: show(value) }));

const struct = (map: Readonly<Record<string, unknown>>): object => ({ fields: entries(map, structValue) });

const structValue = (value: unknown): object => {
  if (value === null) return { null_value: 'NULL_VALUE' };
  if (typeof value === 'string') return { string_value: value };
  if (typeof value === 'number') return { number_value: value };
  if (typeof value === 'boolean') return { bool_value: value };
  if (Array.isArray(value)) return { list_value: { values: value.map(structValue) } };
  return { struct_value: struct(value as Record<string, unknown>) };
};

export type NodeClaim = { readonly id: string; readonly metadata?: Readonly<Record<string, unknown>> };

/** Writes a DeltaDiscoveryRequest. */
export const encodeRequest = (type: string, asking: Asking, node: NodeClaim | undefined): Buffer =>
  REQUEST.encode({
    ...(node === undefined ? {} : { node: nodeMessage(node) }),
    type_url: type,
    resource_names_subscribe: asking.subscribe ?? [],
    resource_names_unsubscribe: asking.unsubscribe ?? [],
    initial_resource_versions: entries(asking.initialResourceVersions ?? {}, (version) => version),
    response_nonce: asking.nonce ?? '',
    ...(asking.error === undefined ? {} : { error_detail: { code: 13, message: asking.error } }),
  });

export const nodeMessage = ({ id, metadata }: NodeClaim): object => ({
  id,
  user_agent_name: 'envoy',
  user_agent_build_version: { version: { major_number: 1, minor_number: 40, patch: 0 } },
  metadata: struct(metadata ?? {}),
});

const identity = (bytes: Buffer): Buffer => bytes;

/** How the messages of one stream are written and read. */
export type Speech = {
  readonly encode: (type: string, asking: Asking, node: NodeClaim | undefined) => Buffer;
  readonly decode: (bytes: Buffer) => AdsResponse;
};

const DELTA: Speech = { encode: encodeRequest, decode: decodeResponse };

export const ADS = `${PACKAGE}.AggregatedDiscoveryService`;

/** Opens a stream, of ADS if `method` does not name another: `envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters`. */
export const openAds = (
  options: AdsClientOptions,
  method = `${ADS}/DeltaAggregatedResources`,
  speech = DELTA,
): AdsClient => {
  const client = new Client(`${options.address.host}:${options.address.port}`, channelCredentials(options), {
    // Otherwise all clients of one process share a connection.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    // An IP address is no TLS server name.
    'grpc.ssl_target_name_override': 'control-plane',
    'grpc.max_receive_message_length': -1,
  });
  const headers = new Metadata();
  if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`);
  const call = client.makeBidiStreamRequest(`/${method}`, identity, identity, headers);
  return talk(client, call, options, speech);
};

const channelCredentials = ({ certificate: own, ...options }: AdsClientOptions) =>
  credentials.createSsl(Buffer.from(options.anchorPem), pemOf(own?.keyPem), pemOf(own?.chainPem), {
    checkServerIdentity: (_host, certificate) =>
      certificate.subjectaltname === `URI:${options.serverId}`
        ? undefined
        : new Error(`the server is ${certificate.subjectaltname}, not ${options.serverId}`),
  });

const pemOf = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));

const talk = (
  client: Client,
  call: ClientDuplexStream<Buffer, Buffer>,
  options: AdsClientOptions,
  speech: Speech,
): AdsClient => {
  const queue: AdsResponse[] = [];
  const takers: { resolve: (r: AdsResponse) => void; reject: (e: Error) => void }[] = [];
  const held = new Map<string, Map<string, AdsResource>>();
  const listeners: ((r: AdsResponse) => void)[] = [];
  let asked = false;
  let over: StatusObject | undefined;

  const ask = (type: string, asking: Asking = {}): void => {
    const claims = !asked || asking.nodeId !== undefined;
    const metadata = options.metadata ?? {};
    asked = true;
    call.write(speech.encode(type, asking, claims ? { id: asking.nodeId ?? options.nodeId, metadata } : undefined));
  };
  const ack = (r: AdsResponse): void => ask(r.type, { nonce: r.nonce, version: r.version });
  const endedError = (s: StatusObject): Error => new Error(`stream ended: ${status[s.code]} ${s.details}`);

  const read = (bytes: Buffer): AdsResponse | undefined => {
    try {
      return speech.decode(bytes);
    } catch (error) {
      const reason = new Error('a response cannot be decoded', { cause: error });
      for (const taker of takers.splice(0)) taker.reject(reason);
      call.cancel();
      return undefined;
    }
  };

  call.on('data', (bytes: Buffer) => {
    const response = read(bytes);
    if (response === undefined) return;
    apply(held, response);
    if (options.autoAck) ack(response);
    for (const listener of listeners) listener(response);
    const taker = takers.shift();
    if (taker === undefined) queue.push(response);
    else taker.resolve(response);
  });
  call.on('error', () => {});
  const ended = new Promise<StatusObject>((resolve) => {
    call.on('status', (s: StatusObject) => {
      over = s;
      for (const taker of takers.splice(0)) taker.reject(endedError(s));
      client.close();
      resolve(s);
    });
  });
  const next = (within = 5000): Promise<AdsResponse> =>
    new Promise((resolve, reject) => {
      const ready = queue.shift();
      if (ready !== undefined) resolve(ready);
      else if (over !== undefined) reject(endedError(over));
      else {
        const timer = setTimeout(() => {
          takers.splice(takers.indexOf(taker), 1);
          reject(new Error(`no response came within ${within} ms`));
        }, within);
        const done =
          <T>(then: (value: T) => void) =>
          (value: T): void => {
            clearTimeout(timer);
            then(value);
          };
        const taker = { resolve: done(resolve), reject: done(reject) };
        takers.push(taker);
      }
    });
  return {
    ask,
    ack,
    nack: (r, message) => ask(r.type, { nonce: r.nonce, error: message }),
    askRaw: (bytes) => void call.write(bytes),
    next,
    queued: () => [...queue],
    held,
    onResponse: (listener) => void listeners.push(listener),
    pause: () => void call.pause(),
    ended: ended.then(({ code, details }) => ({ code, details })),
    close: () => {
      call.cancel();
      client.close();
    },
  };
};

const apply = (held: Map<string, Map<string, AdsResource>>, response: AdsResponse): void => {
  const ofType = held.get(response.type) ?? new Map<string, AdsResource>();
  for (const resource of response.resources) ofType.set(resource.name, resource);
  for (const name of response.removed) ofType.delete(name);
  held.set(response.type, ofType);
};

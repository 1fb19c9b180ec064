import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, type SecureContext } from 'node:tls';
import { TYPE } from '../src/xds/resource.ts';
import { takesWildcard } from '../src/xds/typeState.ts';
import { type DeltaRequest, readResponse, type SeenResponse, unframe, writeRequest } from './frames.ts';

/** What a sidecar holds, by type and name: versions only. */
export type Held = ReadonlyMap<string, ReadonlyMap<string, string>>;

export type SidecarOptions = {
  readonly address: { readonly host: string; readonly port: number };
  readonly anchor: SecureContext;
  /** The one URI that the server's certificate must name. */
  readonly serverId: string;
  readonly nodeId: string;
  readonly token: string;
  /** Where its connection comes from; absent: anywhere. */
  readonly localAddress: string | undefined;
  /** The names of its own certificate and of the trust bundle. */
  readonly secrets: readonly string[];
  /** Of the stream before, for one that comes back. */
  readonly held?: Held;
  /** On each response, after it was applied and ACKed. */
  readonly onResponse: (bytes: Buffer, type: string) => void;
};

export type Sidecar = {
  /** Resolves when it has all that it asked for. Rejects when its stream ends first. */
  readonly ready: Promise<number>;
  /** Resolves when its first request is with the transport. */
  readonly asked: Promise<void>;
  readonly held: Held;
  readonly close: () => void;
};

/** As Envoy 1.40 has them. */
const WINDOWS = { stream: 16 * 1024 * 1024, connection: 24 * 1024 * 1024 };

const openStream = ({ address: { host, port }, anchor, serverId, localAddress, token }: SidecarOptions) => {
  const session = connectHttp2(`https://${host}:${port}`, {
    settings: { enablePush: false, initialWindowSize: WINDOWS.stream },
    createConnection: () =>
      connectTls({
        ...{ host, port, secureContext: anchor, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] },
        ...(localAddress === undefined ? {} : { localAddress }),
        checkServerIdentity: (_host, certificate) =>
          certificate.subjectaltname === `URI:${serverId}` ? undefined : new Error('another server answers'),
      }),
  });
  session.on('connect', () => session.setLocalWindowSize(WINDOWS.connection));
  const stream = session.request({
    ':method': 'POST',
    ':path': '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources',
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${token}`,
  });
  return { session, stream };
};

/** The route configurations that listeners refer to, by the public names of Envoy resources in `src/envoy/names.ts`. */
const routeOf = (listener: string): string => (listener === 'outbound/15001' ? 'outbound' : listener);

type Client = {
  readonly held: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Asks for the first time, or for all that it holds. */
  readonly ask: (sent: () => void) => void;
  /** Applies a response, ACKs it and follows its names. `true` when nothing is missing. */
  readonly take: (response: SeenResponse) => boolean;
};

const newClient = (
  { nodeId, secrets, held: before }: SidecarOptions,
  write: (request: DeltaRequest, sent?: () => void) => void,
): Client => {
  const held = new Map<string, Map<string, string>>();
  const names = new Map<string, Set<string>>();
  const missing = new Set<string>([TYPE.cds, TYPE.lds]);
  const want = (type: string, wanted: readonly string[]): void => {
    const known = names.get(type) ?? new Set<string>();
    names.set(type, known);
    const subscribe = wanted.filter((name) => !known.has(name));
    for (const name of subscribe) {
      known.add(name);
      missing.add(`${type} ${name}`);
    }
    if (subscribe.length > 0) write({ type, subscribe });
  };
  const drop = (type: string, dropped: readonly string[]): void => {
    const unsubscribe = dropped.filter((name) => names.get(type)?.delete(name));
    for (const name of unsubscribe) held.get(type)?.delete(name);
    if (unsubscribe.length > 0) write({ type, unsubscribe });
  };
  const apply = ({ type, resources, removed }: SeenResponse): void => {
    const ofType = held.get(type) ?? new Map<string, string>();
    held.set(type, ofType);
    for (const [name, version] of resources) ofType.set(name, version);
    for (const name of removed) ofType.delete(name);
    for (const name of [...resources.map(([named]) => named), ...removed]) missing.delete(`${type} ${name}`);
  };
  const follow = ({ type, resources, removed }: SeenResponse): void => {
    const first = missing.delete(type);
    const named = resources.map(([name]) => name);
    if (type === TYPE.lds) {
      want(TYPE.rds, named.map(routeOf));
      drop(TYPE.rds, removed.map(routeOf));
    }
    if (type !== TYPE.cds) return;
    const remote = named.filter((name) => !name.startsWith('app/'));
    want(TYPE.eds, remote);
    drop(TYPE.eds, removed);
    if (!first) return;
    want(TYPE.sds, secrets);
    write({ type: TYPE.lds });
  };
  return {
    held,
    ask: (sent) => {
      if (before === undefined) write({ type: TYPE.cds, node: nodeId }, sent);
      for (const [type, versions] of before ?? []) {
        held.set(type, new Map(versions));
        const subscribe = takesWildcard(type) ? [] : [...versions.keys()];
        names.set(type, new Set(subscribe));
        write({ type, node: nodeId, subscribe, held: versions }, sent);
      }
    },
    take: (response) => {
      apply(response);
      write({ type: response.type, nonce: response.nonce });
      follow(response);
      return missing.size === 0;
    },
  };
};

/**
 * One simulated sidecar with a connection of its own. It subscribes as Envoy does: clusters, then their endpoints, the secrets and the
 * listeners, then their routes; when it comes back, to all at once with the versions that it holds. It ACKs everything.
 */
export const openSidecar = (options: SidecarOptions): Sidecar => {
  const { session, stream } = openStream(options);
  const client = newClient(options, (request, sent) => stream.write(writeRequest(request), sent));
  const ready = new Promise<number>((resolve, reject) => {
    const over = (why?: Error): void => reject(new Error(`${options.nodeId}: its stream ended: ${why?.message ?? ''}`));
    session.on('error', over);
    stream.on('error', over);
    stream.on('close', over);
    const take = unframe((message) => {
      const response = readResponse(message);
      const complete = client.take(response);
      options.onResponse(message, response.type);
      if (complete) resolve(Date.now());
    });
    stream.on('data', take);
  });
  ready.catch(() => undefined);
  const asked = new Promise<void>((resolve) => client.ask(resolve));
  return { ready, asked, held: client.held, close: () => session.destroy() };
};

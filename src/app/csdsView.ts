import {
  type Client,
  type ClientDuplexStream,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type StatusObject,
} from '@grpc/grpc-js';
import { ClientStatusRequest } from '../gen/envoy/service/status/v3/csds.ts';
import { AppError, messageOf } from '../lib/errors.ts';
import { reveal, type Secret } from '../lib/secret.ts';

export type ViewOptions = {
  /** Reaches the xDS port. */
  readonly client: Client;
  readonly adminToken: Secret;
  /** The one sidecar whose status is shown. */
  readonly node: string;
  /** A path in a folder that only its owner may enter. */
  readonly socket: string;
};

export type View = { readonly close: () => void };

const CSDS = 'envoy.service.status.v3.ClientStatusDiscoveryService';
const FORWARDED: Readonly<Record<string, readonly string[]>> = {
  [CSDS]: ['FetchClientStatus', 'StreamClientStatus'],
  'grpc.reflection.v1.ServerReflection': ['ServerReflectionInfo'],
  'grpc.reflection.v1alpha.ServerReflection': ['ServerReflectionInfo'],
  'grpc.health.v1.Health': ['Check', 'Watch', 'List'],
};

/**
 * What Signet shows to operators, of one sidecar and without TLS or token, on a unix socket: for tools that can speak neither, and
 * that take a server for one xDS client (grpcdebug refuses the answer about two). Whoever reaches the socket has the rights of the
 * admin token, so it belongs into a folder of its owner.
 * @throws AppError `listen_failed`
 */
export const openView = async ({ client, adminToken, node, socket }: ViewOptions): Promise<View> => {
  const server = new Server();
  const headers = (): Metadata => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${reveal(adminToken)}`);
    return metadata;
  };
  for (const [service, names] of Object.entries(FORWARDED)) {
    const rewrite = service === CSDS ? onlyOf(node) : (bytes: Buffer) => bytes;
    // Streams in both directions, unary methods too: they look the same on the wire.
    const methods = Object.fromEntries(names.map((name) => [name, method(service, name)] as const));
    const serve = ({ path }: MethodDefinition<Buffer, Buffer>) => {
      return (call: Call) => forward(call, client.makeBidiStreamRequest(path, bytes, bytes, headers()), rewrite);
    };
    server.addService(methods, Object.fromEntries(Object.entries(methods).map(([name, its]) => [name, serve(its)])));
  }
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (cause) => {
      if (cause === null) resolve();
      else reject(new AppError('listen_failed', `cannot listen on ${socket}: ${messageOf(cause)}`, { cause }));
    });
  });
  return { close: () => server.forceShutdown() };
};

const bytes = (message: Buffer): Buffer => message;

const method = (service: string, name: string): MethodDefinition<Buffer, Buffer> => ({
  path: `/${service}/${name}`,
  requestStream: true,
  responseStream: true,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
  originalName: name,
});

/** Whatever else is asked, it is asked of this sidecar. What cannot be read is for the control plane to refuse. */
const onlyOf =
  (node: string) =>
  (message: Buffer): Buffer => {
    try {
      const request = ClientStatusRequest.decode(message);
      const nodeId = { matchPattern: { $case: 'exact' as const, value: node }, ignoreCase: false };
      const nodeMatchers = [{ nodeId, nodeMetadatas: [] }];
      return Buffer.from(ClientStatusRequest.encode({ ...request, nodeMatchers }).finish());
    } catch {
      return message;
    }
  };

type Call = ServerDuplexStream<Buffer, Buffer>;
type Upstream = ClientDuplexStream<Buffer, Buffer>;

const forward = (call: Call, up: Upstream, rewrite: (message: Buffer) => Buffer): void => {
  call.on('data', (message: Buffer) => up.write(rewrite(message)));
  call.on('end', () => up.end());
  call.on('cancelled', () => up.cancel());
  up.on('data', (message: Buffer) => call.write(message));
  // The status says it, too.
  up.on('error', () => {});
  up.on('status', ({ code, details }: StatusObject) => {
    if (code === 0) call.end();
    else call.emit('error', { code, details });
  });
};

import { mkdtemp, writeFile } from 'node:fs/promises';
import { connect, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { TestMesh } from './mesh.ts';
import { start } from './processes.ts';
import type { MemberCertificate } from './workload.ts';

/** How one call went; `code` is a gRPC status. */
export type Said = { readonly target: string; readonly code: number; readonly details: string };

export type GrpcClient = { readonly said: (target: string) => readonly Said[]; readonly stop: () => Promise<void> };

/** An application that speaks xDS itself (grpc-js-xds) and calls these targets all the time. */
export const startGrpcClient = async (
  mesh: TestMesh,
  options: { readonly nodeId: string; readonly token: string; readonly member: MemberCertificate },
  targets: readonly string[],
): Promise<GrpcClient> => {
  const { nodeId, token, member } = options;
  const relay = await startRelay(mesh, member.anchorPem, token);
  const folder = await mkdtemp(join(mesh.folder, 'grpc-'));
  const files = { key: join(folder, 'key.pem'), chain: join(folder, 'chain.pem'), bundle: join(folder, 'bundle.pem') };
  await writeFile(files.key, member.keyPem, { mode: 0o600 });
  await writeFile(files.chain, member.chainPem);
  await writeFile(files.bundle, member.bundlePem);
  const bootstrap = {
    xds_servers: [{ server_uri: `127.0.0.1:${relay.port}`, channel_creds: [{ type: 'insecure' }] }],
    node: { id: nodeId, locality: {} },
    certificate_providers: {
      signet: {
        plugin_name: 'file_watcher',
        config: {
          certificate_file: files.chain,
          private_key_file: files.key,
          ca_certificate_file: files.bundle,
          refresh_interval: '1s',
        },
      },
    },
  };
  const file = join(folder, 'xds.json');
  await writeFile(file, JSON.stringify(bootstrap));
  const script = fileURLToPath(new URL('grpcClientProcess.ts', import.meta.url));
  const running = start(`gRPC client ${nodeId}`, process.execPath, ['--import', 'tsx', script, ...targets], {
    env: { GRPC_XDS_BOOTSTRAP: file },
  });
  mesh.own(running);
  const said = (target: string): readonly Said[] =>
    running
      .stdout()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Said)
      .filter((one) => one.target === target);
  return {
    said,
    stop: async () => {
      await running.stop();
      relay.stop();
    },
  };
};

/** grpc-js-xds reaches its control plane in plaintext only and has no credential: this adds both, stream by stream. */
const startRelay = async (
  mesh: TestMesh,
  anchorPem: string,
  token: string,
): Promise<{ readonly port: number; readonly stop: () => void }> => {
  const upstream = connect(`https://${mesh.xds.host}:${mesh.xds.port}`, {
    ca: anchorPem,
    checkServerIdentity: () => undefined,
  });
  upstream.on('error', () => {});
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, { ':scheme': _scheme, ...headers }) => {
    const forward = upstream.request({ ...headers, ':scheme': 'https', authorization: `Bearer ${token}` });
    forward.on('response', (answer) => stream.respond(answer, { waitForTrailers: true }));
    forward.on('trailers', (trailers) => stream.once('wantTrailers', () => stream.sendTrailers(trailers)));
    pipeline(stream, forward, () => {});
    pipeline(forward, stream, () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => {
      server.close();
      upstream.destroy();
    },
  };
};

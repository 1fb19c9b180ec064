import { createSecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import type { HostPort } from '../../src/lib/hostPort.ts';

/** Somebody at the control plane's place: a TLS server for gRPC that answers nothing and counts what reaches it. */
export type FakeControlPlane = {
  readonly at: HostPort;
  /** TCP connections that came. */
  readonly connections: () => number;
  /** Requests that got through TLS, each with the credential that it would have stolen. */
  readonly requests: () => readonly (string | undefined)[];
  readonly stop: () => Promise<void>;
};

export const fakeControlPlane = (
  at: HostPort,
  identity: { readonly chainPem: string; readonly keyPem: string },
): Promise<FakeControlPlane> =>
  new Promise((resolve, reject) => {
    const sockets = new Set<Socket>();
    const requests: (string | undefined)[] = [];
    let connections = 0;
    const server = createSecureServer({ cert: identity.chainPem, key: identity.keyPem, minVersion: 'TLSv1.3' });
    server.on('connection', (socket: Socket) => {
      connections++;
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    });
    server.on('tlsClientError', () => {});
    server.on('sessionError', () => {});
    server.on('stream', (stream, headers) => {
      requests.push(headers.authorization);
      stream.on('error', () => stream.close());
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
    });
    server.once('error', reject);
    server.listen(at.port, at.host, () =>
      resolve({
        at,
        connections: () => connections,
        requests: () => requests,
        stop: () =>
          new Promise((done) => {
            server.close(() => done());
            for (const socket of sockets) socket.destroy();
          }),
      }),
    );
  });

import {
  createServer as createHttpServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';

/** A request as an application saw it. */
export type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
};

export type HttpApp = {
  readonly name: string;
  readonly port: number;
  readonly requests: Seen[];
  /** The newest request, which a test has just made. */
  readonly last: () => Seen;
  readonly stop: () => Promise<void>;
};

export type Handler = (seen: Seen, response: ServerResponse) => void | Promise<void>;

/** What the answer says by default: which app it was and what it saw. */
const echo = (name: string): Handler => {
  return ({ method, url, headers }, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'x-app': name });
    response.end(JSON.stringify({ app: name, method, url, headers }));
  };
};

const listening = (server: Server, host = '127.0.0.1'): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });

/** Ends a server and every connection that it has. */
const stopper = (server: Server): (() => Promise<void>) => {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
};

const readBody = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
};

const recorder =
  (requests: Seen[], handle: Handler) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    void (async () => {
      const body = await readBody(request);
      const seen = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
      requests.push(seen);
      await handle(seen, response);
    })().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  };

const appOf = async (name: string, server: Server, requests: Seen[]): Promise<HttpApp> => {
  const stop = stopper(server);
  return {
    name,
    port: await listening(server),
    requests,
    last: () => {
      const seen = requests.at(-1);
      if (seen === undefined) throw new Error(`${name} saw no request`);
      return seen;
    },
    stop,
  };
};

/** An HTTP/1.1 application on a port of its own on loopback. A WebSocket upgrade is accepted and echoes bytes. */
export const httpApp = async (name: string, handle: Handler = echo(name)): Promise<HttpApp> => {
  const requests: Seen[] = [];
  const server = createHttpServer(recorder(requests, handle));
  server.on('upgrade', (request, socket, head) => {
    requests.push({ method: 'UPGRADE', url: request.url ?? '', headers: request.headers, body: head });
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n');
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  return await appOf(name, server, requests);
};

/** An HTTP/2 application without TLS (prior knowledge). */
export const http2App = async (name: string): Promise<HttpApp> => {
  const requests: Seen[] = [];
  const server = createHttp2Server((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      requests.push({ method, url, headers, body: Buffer.concat(chunks) });
      response.writeHead(200, { 'content-type': 'application/json', 'x-app': name });
      response.end(JSON.stringify({ app: name, method, url, headers }));
    });
  });
  return await appOf(name, server, requests);
};

export type TcpApp = {
  readonly port: number;
  readonly connections: () => number;
  readonly received: () => Buffer;
  readonly stop: () => Promise<void>;
};

/** Echoes every byte; with a banner it speaks first. */
export const tcpApp = async (banner = ''): Promise<TcpApp> => {
  let connections = 0;
  const received: Buffer[] = [];
  const server = createTcpServer((socket) => {
    connections++;
    socket.on('error', () => socket.destroy());
    if (banner !== '') socket.write(banner);
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk);
      socket.write(chunk);
    });
    socket.on('end', () => socket.end());
  });
  const stop = stopper(server);
  return {
    port: await listening(server),
    connections: () => connections,
    received: () => Buffer.concat(received),
    stop,
  };
};

/** A gRPC server that answers for its own health: `ready` is SERVING. */
export const grpcApp = async (): Promise<{ readonly port: number; readonly stop: () => Promise<void> }> => {
  const server = new GrpcServer();
  new HealthImplementation({ ready: 'SERVING' }).addToServer(server);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return { port, stop: async () => server.forceShutdown() };
};

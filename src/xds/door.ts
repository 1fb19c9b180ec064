import { createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import { AppError, messageOf } from '../lib/errors.ts';
import { type Connection, type Connections, type ConnectionsOptions, newConnections } from './connections.ts';
import { newFairQueue } from './fairQueue.ts';
import type { Tls13 } from './tls.ts';

export type DoorOptions = ConnectionsOptions & {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: Tls13;
  /** Takes a connection whose handshake is done. */
  readonly enter: (socket: TLSSocket, connection: Connection) => void;
};

/** Where connections come in: they are accepted here, wait here for their TLS handshake, and are handed on after it. */
export type Door = Pick<Connections, 'unproven'> & {
  readonly port: number;
  /** No new connections; those that are unproven go at once. */
  readonly shut: () => void;
  /** Cuts all that are left. */
  readonly destroy: () => void;
};

/** How often the unproven are looked at. */
const LOOK = 250;
/** Connections that the kernel keeps for us while the loop is busy; it may keep fewer (`net.core.somaxconn`). */
const BACKLOG = 4_096;

/** Binds the address. @throws AppError `listen_failed` */
export const openDoor = async (options: DoorOptions): Promise<Door> => {
  const connections = newConnections(options);
  const handshakes = newHandshakes(tlsServer(options, connections), options.limits.handshakesPerTurn);
  const server = createTcpServer({ noDelay: true }, (raw) => {
    raw.on('error', () => {});
    const connection = connections.add(raw);
    // A handshake is worth a turn only when its first bytes are here: who says nothing keeps nobody waiting.
    raw.once('readable', () => {
      if (connection === undefined || raw.readableLength === 0) raw.destroy();
      else handshakes.push(connection);
    });
  });
  await listening(server, options.listen);
  const timer = setInterval(connections.look, LOOK).unref();
  return {
    unproven: connections.unproven,
    port: portOf(server),
    shut: () => {
      clearInterval(timer);
      server.close();
      connections.destroy('unproven');
    },
    destroy: () => connections.destroy('all'),
  };
};

type Handshakes = { readonly push: (connection: Connection) => void };

/**
 * Each handshake is 1 to 2 ms of native code, and a thousand at once would stop the loop for as long: a few begin in each turn, and
 * every source has its turn.
 */
const newHandshakes = (tls: TlsServer, perTurn: number): Handshakes => {
  const queue = newFairQueue<Connection>();
  let turning = false;
  const turn = (): void => {
    for (let begun = 0; begun < perTurn; ) {
      const next = queue.take();
      if (next === undefined) {
        turning = false;
        return;
      }
      if (next.raw.destroyed) continue;
      begun += 1;
      next.enter('shaking');
      tls.emit('connection', next.raw);
    }
    setImmediate(turn);
  };
  return {
    push: (connection) => {
      connection.enter('queued');
      queue.push(connection.source, connection);
      if (!turning) setImmediate(turn);
      turning = true;
    },
  };
};

/** Never listens: connections are handed to it when it is their turn. */
const tlsServer = (
  { tls: { options, onRenewed }, limits, enter, onDropped }: DoorOptions,
  connections: Connections,
): TlsServer => {
  const tls = createTlsServer({
    ...options,
    handshakeTimeout: limits.handshakeWithin,
  });
  onRenewed((context) => tls.setSecureContext(context));
  tls.on('secureConnection', (socket) => {
    const connection = connections.find(socket);
    socket.on('error', () => {});
    if (connection === undefined) return void socket.destroy();
    // A client that negotiated nothing may speak anything. https://www.rfc-editor.org/rfc/rfc9113#section-3.2
    if (socket.alpnProtocol !== 'h2') return connection.cut('handshake');
    connection.enter('open');
    enter(socket, connection);
  });
  tls.on('tlsClientError', (_error, socket) => {
    socket.destroy();
    onDropped('handshake');
  });
  return tls;
};

const portOf = (server: TcpServer): number => {
  const address = server.address();
  return address === null || typeof address === 'string' ? 0 : address.port;
};

const listening = (server: TcpServer, { host, port }: DoorOptions['listen']): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const shown = host.includes(':') ? `[${host}]` : host;
      const message = `cannot listen for xDS on ${shown}:${port}: ${messageOf(cause)}`;
      reject(new AppError('listen_failed', message, { cause }));
    });
    server.listen({ host, port, backlog: BACKLOG }, resolve);
  });

import type { Socket } from 'node:net';
import { plainAddress } from '../lib/address.ts';
import type { Instant } from '../lib/time.ts';
import { newAllowance } from './allowance.ts';
import { type Crowd, leastWelcome, newCrowd, sourceOf } from './crowd.ts';
import type { Peer } from './events.ts';
import type { Limits } from './limits.ts';

/** Why a connection was cut: a label of `signet_xds_connections_dropped_total`. */
export type DropReason =
  /** It did not finish its TLS handshake, or not well. */
  | 'handshake'
  /** It brought no stream that was proven. */
  | 'no_stream'
  /** It was unproven, and there were too many of its kind. */
  | 'crowded'
  /** It sent more than one that is unproven needs, or too much that is no request, or called too often. */
  | 'noisy'
  /** It did not read what it was sent. */
  | 'unread';

/**
 * A connection, and what it has shown. It is unproven until a stream on it has shown good credentials and its first request, and again
 * after its last such stream.
 */
export type Connection = {
  readonly raw: Socket;
  readonly peer: Peer;
  readonly source: string;
  readonly enter: (phase: Phase) => void;
  /** A stream on this connection was proven; the answer says that it is over. */
  readonly hold: () => () => void;
  /** A call began, of whatever method; `false` if that was one too many, and the connection is cut. */
  readonly called: () => boolean;
  /** A request of so many bytes was read: they are accounted for. */
  readonly heard: (bytes: number) => void;
  /** Cuts it if it sent too much that is no request; to be asked now and then. */
  readonly weigh: () => void;
  readonly cut: (reason: DropReason) => void;
  readonly state: () => Readonly<State>;
};

/** `silent`: not a byte came. `queued`: it is our turn, and the client is not to blame. */
type Phase = 'silent' | 'queued' | 'shaking' | 'open';

type State = {
  phase: Phase;
  /** Since when it is unproven in this phase, and what it had sent by then. */
  since: Instant;
  bytes: number;
  /** Calls while it was unproven. */
  calls: number;
  holds: number;
};

/** All connections of the server. What is unproven is bounded in number, time, bytes and calls. */
export type Connections = {
  /** `undefined` if there are too many, or if it is gone already. */
  readonly add: (raw: Socket) => Connection | undefined;
  /** Of this socket, or of TLS on it. */
  readonly find: (socket: Socket) => Connection | undefined;
  readonly unproven: () => number;
  /** Cuts the unproven that had their time, or are too many, and who sends too much beside requests. */
  readonly look: () => void;
  readonly destroy: (which: 'all' | 'unproven') => void;
};

export type ConnectionsOptions = {
  readonly limits: Limits;
  readonly now: () => Instant;
  readonly onDropped: (reason: DropReason) => void;
};

const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress}:${remotePort}`;

export const newConnections = (options: ConnectionsOptions): Connections => {
  const { limits, now, onDropped } = options;
  const all = new Map<string, Connection>();
  /** In the order in which it became their turn. */
  const unproven = newCrowd<Connection>();

  /** At the last bound: room for a source that has less than its share is made by those that have more. */
  const isFullFor = (source: string): boolean => {
    if (unproven.size() < limits.unprovenAtMost) return false;
    if (unproven.hasRoomFor(source, limits.unprovenAtMost)) {
      for (const connection of tooManyOfTheirs(unproven, now())) connection.cut('crowded');
    }
    return unproven.size() >= limits.unprovenAtMost;
  };
  const add = (raw: Socket): Connection | undefined => {
    if (raw.remoteAddress === undefined || isFullFor(sourceOf(raw.remoteAddress))) {
      raw.destroy();
      onDropped('crowded');
      return undefined;
    }
    const connection = newConnection(raw, options, unproven);
    const key = keyOf(raw);
    all.set(key, connection);
    connection.enter('silent');
    raw.once('close', () => {
      unproven.delete(connection);
      if (all.get(key) === connection) all.delete(key);
    });
    return connection;
  };
  return {
    add,
    find: (socket) => all.get(keyOf(socket)),
    unproven: unproven.size,
    look: () => {
      for (const connection of all.values()) connection.weigh();
      for (const [connection, reason] of overdue(unproven, limits, now())) connection.cut(reason);
    },
    destroy: (which) => {
      for (const { raw } of which === 'all' ? all.values() : [...unproven]) raw.destroy();
    },
  };
};

const newConnection = (raw: Socket, options: ConnectionsOptions, unproven: Crowd<Connection>): Connection => {
  const { limits, now, onDropped } = options;
  const state: State = { phase: 'silent', since: 0, bytes: 0, calls: 0, holds: 0 };
  const calling = newAllowance({ burst: limits.callBurst, perSecond: limits.callsPerSecond });

  const enter = (phase: Phase): void => {
    Object.assign(state, { phase, since: now(), bytes: raw.bytesRead });
    unproven.add(connection);
  };
  const cut = (reason: DropReason): void => {
    if (raw.destroyed) return;
    unproven.delete(connection);
    raw.destroy();
    onDropped(reason);
  };
  const hold = (): (() => void) => {
    let over = false;
    state.holds += 1;
    state.calls = 0;
    unproven.delete(connection);
    return () => {
      if (over) return;
      over = true;
      state.holds -= 1;
      if (state.holds === 0 && !raw.destroyed) enter('open');
    };
  };
  const called = (): boolean => {
    if (state.holds === 0) state.calls += 1;
    if (state.calls > limits.unprovenCalls || calling.spend(1, now()) > 0) cut('noisy');
    return !raw.destroyed;
  };
  const others = newAllowance({ burst: limits.otherBytes, perSecond: limits.otherBytesPerSecond });
  let accounted = 0;
  const weigh = (): void => {
    const bytes = raw.bytesRead - accounted;
    accounted = raw.bytesRead;
    if (others.spend(bytes, now()) > 0) cut('noisy');
  };
  const heard = (bytes: number): void => {
    accounted += bytes;
  };
  const { remoteAddress = '', remotePort: port = 0 } = raw;
  const [peer, source] = [{ address: plainAddress(remoteAddress), port }, sourceOf(remoteAddress)];
  const connection: Connection = { raw, peer, source, enter, hold, called, heard, weigh, cut, state: () => state };
  return connection;
};

/** Some at once, so that a flood does not make us look at all of them for each newcomer; none whose handshake is done, or waits for us. */
const tooManyOfTheirs = (unproven: Iterable<Connection>, now: Instant): readonly Connection[] => {
  const early = [...unproven].flatMap((connection) => {
    const { phase, since } = connection.state();
    const { source } = connection;
    return phase === 'silent' || phase === 'shaking' ? [{ connection, source, since }] : [];
  });
  return leastWelcome(early, Math.floor(early.length * 0.9), 0, now).map(({ connection }) => connection);
};

const overdue = (
  unproven: Iterable<Connection>,
  limits: Limits,
  now: Instant,
): readonly (readonly [Connection, DropReason])[] => {
  const gone: (readonly [Connection, DropReason])[] = [];
  const stay: { connection: Connection; source: string; since: Instant }[] = [];
  for (const connection of unproven) {
    const { raw, source } = connection;
    const { phase, since, bytes } = connection.state();
    if (phase === 'queued') continue;
    if (raw.bytesRead - bytes > limits.unprovenBytes) gone.push([connection, 'noisy']);
    else if (phase === 'open' && now - since > limits.streamWithin) gone.push([connection, 'no_stream']);
    else if (phase !== 'open' && now - since > limits.handshakeWithin) gone.push([connection, 'handshake']);
    else stay.push({ connection, source, since });
  }
  const crowd = leastWelcome(stay, limits.unproven, limits.unprovenGrace, now);
  return [...gone, ...crowd.map(({ connection }) => [connection, 'crowded'] as const)];
};

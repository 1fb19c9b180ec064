import type { Socket } from 'node:net';
import type { Instant } from '../lib/time.ts';
import { type Allowance, newAllowance } from './allowance.ts';
import { leastWelcome, sourceOf } from './crowd.ts';
import type { Limits } from './limits.ts';

/** Why a connection was cut: a label of `signet_xds_connections_dropped_total`. */
export type DropReason =
  /** It did not finish its TLS handshake, or not well. */
  | 'handshake'
  /** It brought no stream that was proven. */
  | 'no_stream'
  /** It was unproven, and there were too many of its kind. */
  | 'crowded'
  /** It sent more than one that is unproven needs, or called too often. */
  | 'noisy'
  /** It did not read what it was sent. */
  | 'unread';

export type Connection = {
  readonly raw: Socket;
  readonly peer: string;
  readonly source: string;
  /** `silent`: not a byte came. `queued`: it is our turn, and the client is not to blame. */
  readonly phase: () => Phase;
  readonly enter: (phase: Phase) => void;
};

type Phase = 'silent' | 'queued' | 'shaking' | 'open';

/**
 * All connections of the server. One is unproven until a stream on it has shown good credentials and its first request, and again
 * after its last such stream. What is unproven is bounded in number, time, bytes and calls. A peer is `ADDRESS:PORT`, as grpc-js
 * writes it.
 */
export type Connections = {
  /** `undefined` if there are too many, or if it is gone already. */
  readonly add: (raw: Socket) => Connection | undefined;
  readonly find: (peer: string) => Connection | undefined;
  /** A stream on this connection was proven; the answer says that it is over. */
  readonly hold: (peer: string) => () => void;
  /** A call began, of whatever method. */
  readonly called: (peer: string) => void;
  readonly cut: (peer: string, reason: DropReason) => void;
  readonly unproven: () => number;
  /** Cuts the unproven that had their time, or are too many. */
  readonly look: () => void;
  readonly destroy: (which: 'all' | 'unproven') => void;
};

export type ConnectionsOptions = {
  readonly limits: Limits;
  readonly now: () => Instant;
  readonly onDropped: (reason: DropReason) => void;
};

type Entry = Connection & { readonly state: State; readonly calling: Allowance };

type State = {
  phase: Phase;
  /** Since when it is unproven in this phase, and what it had sent by then. */
  since: Instant;
  bytes: number;
  /** Since it is unproven. */
  calls: number;
  holds: number;
};

export const peerOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress}:${remotePort}`;

export const newConnections = (options: ConnectionsOptions): Connections => {
  const { limits, now } = options;
  const all = new Map<string, Entry>();
  /** In the order in which it became their turn. */
  const unproven = new Set<Entry>();

  const drop = (entry: Entry, reason: DropReason): void => {
    if (entry.raw.destroyed) return;
    entry.raw.destroy();
    options.onDropped(reason);
  };
  const doubt = (entry: Entry, phase: Phase): void => {
    Object.assign(entry.state, { phase, since: now(), bytes: entry.raw.bytesRead });
    unproven.delete(entry);
    unproven.add(entry);
  };
  const add = (raw: Socket): Connection | undefined => {
    if (raw.remoteAddress === undefined || unproven.size >= limits.unprovenAtMost) {
      raw.destroy();
      options.onDropped('crowded');
      return undefined;
    }
    const entry = newEntry(raw, limits, doubt);
    all.set(entry.peer, entry);
    doubt(entry, 'silent');
    raw.once('close', () => {
      unproven.delete(entry);
      if (all.get(entry.peer) === entry) all.delete(entry.peer);
    });
    return entry;
  };
  const called = (entry: Entry): void => {
    entry.state.calls += 1;
    const tooMany = entry.state.holds === 0 && entry.state.calls > limits.unprovenCalls;
    if (tooMany || entry.calling.spend(1, now()) > 0) drop(entry, 'noisy');
  };
  const hold = (entry: Entry): (() => void) => {
    let over = false;
    entry.state.holds += 1;
    entry.state.calls = 0;
    unproven.delete(entry);
    return () => {
      if (over) return;
      over = true;
      entry.state.holds -= 1;
      if (entry.state.holds === 0 && !entry.raw.destroyed) doubt(entry, 'open');
    };
  };
  return {
    add,
    find: (peer) => all.get(peer),
    hold: (peer) => {
      const entry = all.get(peer);
      return entry === undefined ? () => {} : hold(entry);
    },
    called: (peer) => {
      const entry = all.get(peer);
      if (entry !== undefined) called(entry);
    },
    cut: (peer, reason) => {
      const entry = all.get(peer);
      if (entry !== undefined) drop(entry, reason);
    },
    unproven: () => unproven.size,
    look: () => {
      for (const [entry, reason] of overdue(unproven, limits, now())) drop(entry, reason);
    },
    destroy: (which) => {
      for (const { raw } of which === 'all' ? all.values() : [...unproven]) raw.destroy();
    },
  };
};

const newEntry = (raw: Socket, limits: Limits, doubt: (entry: Entry, phase: Phase) => void): Entry => {
  const state: State = { phase: 'silent', since: 0, bytes: 0, calls: 0, holds: 0 };
  const entry: Entry = {
    raw,
    peer: peerOf(raw),
    source: sourceOf(raw.remoteAddress ?? ''),
    state,
    calling: newAllowance({ burst: limits.callBurst, perSecond: limits.callsPerSecond }),
    phase: () => state.phase,
    enter: (phase) => doubt(entry, phase),
  };
  return entry;
};

const overdue = (
  unproven: Iterable<Entry>,
  limits: Limits,
  now: Instant,
): readonly (readonly [Entry, DropReason])[] => {
  const gone: (readonly [Entry, DropReason])[] = [];
  const stay: { entry: Entry; source: string; since: Instant }[] = [];
  for (const entry of unproven) {
    const { phase, since, bytes } = entry.state;
    if (phase === 'queued') continue;
    if (entry.raw.bytesRead - bytes > limits.unprovenBytes) gone.push([entry, 'noisy']);
    else if (phase === 'open' && now - since > limits.streamWithin) gone.push([entry, 'no_stream']);
    else if (phase !== 'open' && now - since > limits.handshakeWithin) gone.push([entry, 'handshake']);
    else stay.push({ entry, source: entry.source, since });
  }
  const crowd = leastWelcome(stay, limits.unproven, limits.unprovenGrace, now);
  return [...gone, ...crowd.map(({ entry }) => [entry, 'crowded'] as const)];
};

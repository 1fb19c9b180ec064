import type { Duration } from '../lib/time.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a client may take of this process. Each number stands in the table of `docs/xds.md`. */
export type Limits = {
  /** Connections without a proven stream that are kept although newer ones wait; beyond it the oldest go first. */
  readonly unproven: number;
  /** No connection is dropped for others' sake before this age: in a storm of sidecars all are unproven for a while. */
  readonly unprovenGrace: Duration;
  /** Connections without a proven stream, whatever their age; the next ones are hung up on at once. */
  readonly unprovenAtMost: number;
  /** From the connection to the end of its TLS handshake, without what it waited for us. */
  readonly handshakeWithin: Duration;
  /** TLS handshakes begun in one turn of the event loop: each is 1 to 2 ms of CPU that nobody interrupts. */
  readonly handshakesPerTurn: number;
  /** How long a connection may be without a proven stream, and a stream without its first request. */
  readonly streamWithin: Duration;
  /** What an unproven connection may send, in bytes and in calls. */
  readonly unprovenBytes: number;
  readonly unprovenCalls: number;
  /**
   * What any connection may send beside requests (PING, WINDOW_UPDATE, PRIORITY, what nobody knows): bytes at once, then bytes a second.
   * Requests count here, too, until they are read: so it has room for some of `requestBytes`.
   */
  readonly otherBytes: number;
  readonly otherBytesPerSecond: number;
  /** Streams at once on one connection. */
  readonly streamsPerConnection: number;
  /** Calls on one proven connection: so many at once, then so many a second. */
  readonly callBurst: number;
  readonly callsPerSecond: number;
  /** Live streams of one node id; beyond it the oldest is ended. */
  readonly streamsPerNode: number;
  /** Streams that one node id may open at once, then so many a second; the next ones wait. */
  readonly openBurst: number;
  readonly opensPerSecond: number;
  /** Streams that are being admitted at once; the others wait, and every credential has its turn. */
  readonly admissionsAtOnce: number;
  /** CPU for the requests of one node id: milliseconds at once, then milliseconds a second; beyond it its requests wait. */
  readonly requestBurst: number;
  readonly requestMillisPerSecond: number;
  /**
   * CPU for reading the first requests of one credential, which name the node: milliseconds at once, then milliseconds a second; beyond it
   * they wait. Room for a storm of thousands that joined with one token.
   */
  readonly firstBurst: number;
  readonly firstMillisPerSecond: number;
  /** One request. */
  readonly requestBytes: number;
  /** How long a client may take to read a response: this and a second for every `unreadBytesPerSecond`. */
  readonly readWithin: Duration;
  readonly unreadBytesPerSecond: number;
  /** How long a stream that was ended may take to close before its connection is cut. */
  readonly closeWithin: Duration;
};

export const LIMITS: Limits = {
  unproven: 1_024,
  unprovenGrace: 5_000,
  unprovenAtMost: 8_192,
  handshakeWithin: 15_000,
  handshakesPerTurn: 8,
  streamWithin: 15_000,
  unprovenBytes: 128 * KIB,
  unprovenCalls: 16,
  otherBytes: 8 * MIB,
  otherBytesPerSecond: 128 * KIB,
  streamsPerConnection: 16,
  callBurst: 128,
  callsPerSecond: 16,
  streamsPerNode: 16,
  openBurst: 64,
  opensPerSecond: 8,
  admissionsAtOnce: 64,
  requestBurst: 20,
  requestMillisPerSecond: 50,
  firstBurst: 1_000,
  firstMillisPerSecond: 250,
  requestBytes: 4 * MIB,
  readWithin: 30_000,
  unreadBytesPerSecond: 256 * KIB,
  closeWithin: 5_000,
};

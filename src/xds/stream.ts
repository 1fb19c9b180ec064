import { err, ok, type Result } from '../lib/result.ts';
import type { Slices } from '../lib/slices.ts';
import type { Duration, Instant } from '../lib/time.ts';
import type { Happening, Peer, Refusal, StreamId } from './events.ts';
import type { Read } from './firsts.ts';
import type { Call, Received } from './grpc/call.ts';
import { STATUS } from './grpc/status.ts';
import type { Limits } from './limits.ts';
import type { Share } from './nodes.ts';
import { newPump, type Pump, type PumpPorts } from './pump.ts';
import { codeOf, refusalOf } from './refusals.ts';
import { type Dialect, type NodeIdentity, readNode, readNodeId, readRequest, type WireRequest } from './request.ts';
import type { Snapshot } from './resource.ts';
import type { SessionRequest, SessionState } from './sessionState.ts';
import type { Turnstile } from './turnstile.ts';

/** What a stream asks of those around it. */
export type StreamPorts = {
  readonly id: StreamId;
  readonly peer: Peer;
  readonly dialect: Dialect;
  /** Judges the call's credentials. Nothing of the stream is read before it answers. */
  readonly authenticate: () => Promise<Result<Known, Refusal>>;
  readonly tell: (what: Happening) => void;
  readonly turnstile: Turnstile;
  /** Shared by all streams. */
  readonly slices: Slices;
  readonly holdFor: Duration;
  readonly limits: Limits;
  /** A request of so many bytes was read. */
  readonly heard: (bytes: number) => void;
  /** Its client does not read: cuts the connection. */
  readonly cut: () => void;
};

/** A call whose credentials are good. */
export type Known = {
  /** Reads the first request when it is the credential's turn, and says what that cost; `undefined` if the call is over by then. */
  readonly read: <T>(read: () => T) => Promise<Read<T> | undefined>;
  /** Judges the node; answers what the stream of an admitted one may take. */
  readonly admit: (node: NodeIdentity) => Promise<Result<Share, Refusal>>;
};

/** One xDS stream of one client. */
export type Stream = {
  readonly publish: (snapshot: Snapshot) => void;
  readonly end: (refusal: Refusal) => void;
  /** What the client asked for, holds and refused at this moment. */
  readonly session: () => SessionState;
};

/** CPU of HTTP/2 for a request, in ms, which is not in what we measure. */
const OVERHEAD = 0.05;

const invalid = (message: string): Refusal => ({ code: 'invalid_argument', message });

/** Serves one call until it ends: credentials, then the node, then the session. Never throws, whatever the client sends. */
export const serveStream = (call: Call, ports: StreamPorts): Stream => {
  let phase: 'joining' | 'open' | 'over' = 'joining';
  const isOver = (): boolean => phase === 'over';

  /** `true` if that ends an open stream, which is to be told. */
  const finish = (): boolean => {
    if (isOver()) return false;
    const wasOpen = phase === 'open';
    phase = 'over';
    clearTimeout(timer);
    pump.stop();
    return wasOpen;
  };
  const end = (refusal: Refusal): void => {
    if (isOver()) return;
    ports.tell({ kind: 'refused', peer: ports.peer, refusal });
    if (finish()) ports.tell({ kind: 'closed' });
    call.end(codeOf(refusal), refusal.message);
  };
  const unread = (): void => {
    end({ code: 'resource_exhausted', message: 'this client does not read what it is sent' });
    ports.cut();
  };
  const { id, dialect, tell, turnstile, holdFor } = ports;
  const pump = newPump({
    tell,
    turnstile,
    holdFor,
    variant: dialect.variant,
    noncePrefix: `${id}-`,
    write: writerOf(call, ports.limits, unread),
    overrun: (message) => end({ code: 'resource_exhausted', message }),
  });
  const late = `no request came within ${ports.limits.streamWithin / 1000} s`;
  const timer = setTimeout(() => end(invalid(late)), ports.limits.streamWithin).unref();

  const open = (joined: Joined): void => {
    // Whoever admitted the node has made room for it: it is told of the end even if that came first.
    const cameTooLate = isOver();
    if (!cameTooLate) phase = 'open';
    ports.tell({ kind: 'opened', node: joined.node, peer: ports.peer, only: ports.dialect.only });
    if (cameTooLate) ports.tell({ kind: 'closed' });
    converse(joined, call, ports, pump, { end, saidAll });
  };
  const join = async (): Promise<void> => {
    await ports.slices.pause();
    const joined = await authenticateAndAdmit(call, ports, isOver, () => clearTimeout(timer));
    // A store commit lets many in at once.
    await ports.slices.pause();
    if (joined === undefined) saidAll();
    else if (joined.ok) open(joined.value);
    else end(joined.error);
  };

  const over = (): void => {
    // Hundreds may go in one turn.
    if (finish()) void ports.slices.pause().then(() => ports.tell({ kind: 'closed' }));
  };
  /** The client has no more to say, and says it: nobody is subscribed any more. */
  const saidAll = (): void => {
    over();
    call.end(STATUS.OK);
  };
  call.onClose(over);
  join().catch(() => end({ code: 'unavailable', message: 'this sidecar cannot be admitted now' }));
  return { publish: (snapshot) => pump.step({ kind: 'published', snapshot }), end, session: pump.session };
};

/** `undefined` if the stream was over before there was anything to judge. */
const authenticateAndAdmit = async (
  call: Call,
  ports: StreamPorts,
  isOver: () => boolean,
  arrived: () => void,
): Promise<Result<Joined, Refusal> | undefined> => {
  const caller = await ports.authenticate();
  if (!caller.ok) return caller;
  const received = await call.received();
  if (!received.ok) return err(refusalOf(received.error));
  const bytes = received.value;
  if (bytes === undefined || isOver()) return undefined;
  arrived();
  ports.heard(bytes.length);
  const read = await caller.value.read(() => readFirst(readRequest(bytes, ports.dialect)));
  if (read === undefined) return undefined;
  const { value: first, cpu } = read;
  if (!first.ok) return first;
  const admitted = await caller.value.admit(first.value.node);
  return admitted.ok ? ok({ ...first.value, share: admitted.value, cpu }) : admitted;
};

/**
 * Answers the first request and hears the others. What reading it cost is the node's: one that comes again and again with large ones waits
 * for its answers.
 */
const converse = (
  { node, request, share, cpu }: Joined,
  call: Call,
  ports: StreamPorts,
  pump: Pump,
  enders: Enders,
): void => {
  const begin = (): void => {
    if (call.closed) return;
    pump.step(request);
    readPaced(call, share, ports.slices, enders, (bytes) => {
      ports.heard(bytes.length);
      takeNext(readRequest(bytes, ports.dialect), node.id, pump, enders.end);
    });
  };
  const wait = share.spend(cpu + OVERHEAD);
  if (wait === 0) begin();
  else setTimeout(begin, wait).unref();
};

/** The ways in which a stream comes to its end, besides that it is gone. */
type Enders = { readonly end: (refusal: Refusal) => void; readonly saidAll: () => void };

/**
 * Reads on, but no faster than the node may: beyond that its requests wait with the client. A thousand that speak at once
 * are heard in slices, so that nobody else waits for all of them.
 */
const readPaced = (
  call: Call,
  share: Share,
  slices: Slices,
  { end, saidAll }: Enders,
  take: (bytes: Buffer) => void,
): void => {
  const hear = (bytes: Buffer, began: Instant): void => {
    take(bytes);
    const wait = share.spend(performance.now() - began + OVERHEAD);
    if (wait === 0) listen();
    else setTimeout(listen, wait).unref();
  };
  const hearInTime = (bytes: Buffer, now: Instant): void => {
    if (slices.hasTime(now)) hear(bytes, now);
    else void slices.pause().then(() => hear(bytes, performance.now()));
  };
  const received = (said: Received): void => {
    const bytes = said.ok ? said.value : undefined;
    if (!said.ok) end(refusalOf(said.error));
    else if (bytes === undefined) saidAll();
    else hearInTime(bytes, performance.now());
  };
  const listen = (): void => call.next(received);
  listen();
};

/**
 * Writes to this call, one at a time. A write that the client did not take in time is `unread`. Slow links have their time. Nearly every
 * write is done at once: one timer for many of them, which looks at the one that is under way when it ends.
 */
const writerOf = (call: Call, limits: Limits, unread: () => void): PumpPorts['write'] => {
  let timer: NodeJS.Timeout | undefined;
  /** Of the write under way: when it is to be done, and what then. */
  let due: Instant | undefined;
  let then = (): void => {};
  const look = (): void => {
    timer = undefined;
    if (due === undefined) return;
    const left = due - performance.now();
    if (left > 0) timer = setTimeout(look, left).unref();
    else unread();
  };
  const written = (): void => {
    due = undefined;
    then();
  };
  call.onClose(() => clearTimeout(timer));
  return (framed, done) => {
    due = performance.now() + limits.readWithin + (framed.length / limits.unreadBytesPerSecond) * 1000;
    then = done;
    timer ??= setTimeout(look, limits.readWithin).unref();
    call.writeFramed(framed, written);
  };
};

type Joined = FirstRequest & { readonly share: Share; readonly cpu: Duration };

type FirstRequest = { readonly request: SessionRequest; readonly node: NodeIdentity };

const readFirst = (read: Result<WireRequest, string>): Result<FirstRequest, Refusal> => {
  if (!read.ok) return err(invalid(read.error));
  const node = read.value.node === undefined ? undefined : readNode(read.value.node);
  if (node !== undefined && !node.ok) return err(invalid(node.error));
  if (node === undefined) return err(invalid('the first request names no node'));
  if (node.value.id === '') return err({ code: 'permission_denied', message: 'the first request names no node id' });
  return ok({ request: read.value.request, node: node.value });
};

const takeNext = (
  read: Result<WireRequest, string>,
  nodeId: string,
  pump: Pump,
  end: (refusal: Refusal) => void,
): void => {
  const refusal = read.ok ? disagreement(read.value, nodeId) : invalid(read.error);
  if (refusal !== undefined) end(refusal);
  else if (read.ok) pump.step(read.value.request);
};

/** A node may be left out of later messages; where it stands, it is the same. */
const disagreement = ({ node }: WireRequest, nodeId: string): Refusal | undefined => {
  if (node === undefined) return undefined;
  const id = readNodeId(node);
  if (!id.ok) return invalid(id.error);
  if (id.value === '' || id.value === nodeId) return undefined;
  return { code: 'permission_denied', message: 'the node id changed on a live stream' };
};

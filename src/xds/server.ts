import { randomBytes } from 'node:crypto';
import { ok, type Result } from '../lib/result.ts';
import { newSlices } from '../lib/slices.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { type CallCredentials, credentialsOf } from './callCredentials.ts';
import type { DropReason } from './connections.ts';
import { type Door, openDoor } from './door.ts';
import { type Happening, onStream, type Refusal, type StreamEvent, type StreamId } from './events.ts';
import { type FetchPorts, type FetchSecrets, fetchMethod } from './fetch.ts';
import type { Call } from './grpc/call.ts';
import { type GrpcServer, newGrpcServer, UNSERVED } from './grpc/grpcServer.ts';
import { newGuard } from './guard.ts';
import { addHealth } from './health.ts';
import { LIMITS, type Limits } from './limits.ts';
import { addOperators, type OperatorPorts } from './operators.ts';
import { showsCertificate } from './provenCertificate.ts';
import { codeOf } from './refusals.ts';
import type { Dialect, NodeIdentity } from './request.ts';
import type { Snapshot } from './resource.ts';
import { addDiscovery } from './service.ts';
import { type Stream, serveStream } from './stream.ts';
import { newTls13, type ServerTls } from './tls.ts';
import { newTurnstile } from './turnstile.ts';

export type { CallCredentials } from './callCredentials.ts';
export type { DropReason } from './connections.ts';
export type { Peer, Refusal, RefusalCode, StreamEvent, StreamId } from './events.ts';
export type { NodeIdentity } from './request.ts';
export type { NamedVersion, Progress } from './sessionState.ts';

export type XdsServerOptions<Caller> = {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: ServerTls;
  /** Before anything is parsed for the stream. A rejection or a throw refuses as `unavailable`. */
  readonly authenticate: (credentials: CallCredentials) => Promise<Result<Caller, Refusal>>;
  /**
   * On the first message; the node id must agree with the caller. Resolves when the node may be served. The stream may be
   * published to from here on. If it resolves with ok, `opened` and one day `closed` follow, in any case.
   */
  readonly admit: (caller: Caller, node: NodeIdentity, stream: StreamId) => Promise<Result<void, Refusal>>;
  /** All secrets of a node that agrees with its caller, for a client that is no stream. Absent: UNIMPLEMENTED. */
  readonly fetchSecrets?: FetchSecrets<Caller>;
  readonly onEvent: (event: StreamEvent) => void;
  /** Serves client status and reflection; absent: nobody is served them. */
  readonly operators?: OperatorPorts;
  /** Whose credential it is: every one has its turn to be admitted. Default: all are one. */
  readonly credentialOf?: (caller: Caller) => string;
  /** A connection was cut. */
  readonly onDropped?: (reason: DropReason) => void;
  readonly now?: () => Instant;
  /** How long listeners and routes wait for a client that does not take what they refer to. Default 2 s. */
  readonly holdFor?: Duration;
  /** Default `LIMITS`. */
  readonly limits?: Partial<Limits>;
};

export type XdsServer = {
  readonly address: () => { readonly host: string; readonly port: number };
  /** What this stream may be sent from now on; the same snapshot again changes nothing. Streams that are over are ignored. */
  readonly publish: (stream: StreamId, snapshot: Snapshot) => void;
  readonly end: (stream: StreamId, refusal: Refusal) => void;
  /** Connections without a proven stream. */
  readonly unproven: () => number;
  /** New connections are shown this certificate. @throws AppError `tls_invalid` */
  readonly renewTls: (tls: ServerTls) => void;
  /** Ends every stream as unavailable, waits up to `grace` for the connections to close, then cuts them. */
  readonly close: (grace: Duration) => Promise<void>;
};

/** Under way at once over all streams: enough to keep the loop busy, few enough to bound memory. */
const WRITES_AT_ONCE = [
  { upTo: 64 * 1024, writes: 64 },
  { upTo: Number.POSITIVE_INFINITY, writes: 8 },
];
const WRITE_PATIENCE: Duration = 250;

/** Without the words of the client: it can make up as many methods as it likes. */
const NOT_SERVED: Refusal = { code: 'unimplemented', message: UNSERVED };
const NO_POLLING: Refusal = {
  code: 'unimplemented',
  message: 'fetching once is not served: open a stream (`api_type: DELTA_GRPC` or `GRPC`)',
};

const SHUTS_DOWN: Refusal = { code: 'unavailable', message: 'the control plane shuts down' };

/**
 * ADS and the services of one type over TLS 1.3.
 * @throws AppError `listen_failed` if the address cannot be bound, `tls_invalid` if the certificate or key is unusable.
 */
export const startXdsServer = async <Caller>(options: XdsServerOptions<Caller>): Promise<XdsServer> => {
  const tls = newTls13(options.tls);
  const limits: Limits = { ...LIMITS, ...options.limits };
  const streams = new Map<StreamId, Stream>();
  const slices = newSlices();
  const turnstile = newTurnstile(WRITES_AT_ONCE, WRITE_PATIENCE);
  const { now = Date.now, credentialOf = () => '', fetchSecrets: fetch, operators } = options;
  const newId = streamIds();
  const { authenticate, tell, turnedAway } = newCallers(options, now, newId);
  const guard = newGuard(limits);
  const serve = (call: Call, dialect: Dialect): void => {
    const id = newId();
    const { connection } = call;
    const stream: Stream = serveStream(call, {
      id,
      peer: connection.peer,
      dialect,
      authenticate: async () => {
        const caller = await authenticate(call);
        if (!caller.ok) return caller;
        const credential = credentialOf(caller.value);
        const who = { call, credential, end: stream.end };
        return ok({
          read: (read) => guard.readFirst(credential, call, read),
          admit: (node) => guard.admit(who, node, () => options.admit(caller.value, node, id)),
        });
      },
      tell: (what) => tell(call, id, what),
      turnstile,
      slices,
      holdFor: options.holdFor ?? 2_000,
      limits,
      heard: connection.heard,
      cut: () => connection.cut('unread'),
    });
    streams.set(id, stream);
    call.onClose(() => streams.delete(id));
  };
  const inTurn: FetchPorts<Caller>['inTurn'] = (call, caller, node, answer) =>
    guard.answer(call, credentialOf(caller), node, answer);
  const server = newGrpcServer({ limits, slices, unserved: (call) => turnedAway(call, NOT_SERVED) });
  const noFetch = (call: Call): void => {
    turnedAway(call, NO_POLLING);
    call.end(codeOf(NO_POLLING), NO_POLLING.message);
  };
  const fetchSecrets = fetch && fetchMethod({ authenticate, inTurn, fetch, refused: turnedAway });
  addDiscovery(server, { stream: serve, fetchSecrets: fetchSecrets ?? noFetch, noFetch });
  const stopHealth = addHealth(server);
  const endOperators = operators && addOperators(server, { ...operators, ...lookingIn({ now, streams, turnedAway }) });
  const { listen, onDropped = () => {} } = options;
  const door = await openDoor({ listen, tls, enter: server.enter, onDropped, limits, now: () => performance.now() });

  return {
    address: () => ({ host: options.listen.host, port: door.port }),
    publish: (stream, snapshot) => streams.get(stream)?.publish(snapshot),
    end: (stream, refusal) => streams.get(stream)?.end(refusal),
    unproven: door.unproven,
    renewTls: tls.renew,
    close: (grace) => {
      // First of all: the streams that end here leave their connections unproven, and have their status to send.
      door.shut();
      stopHealth();
      for (const stream of streams.values()) stream.end(SHUTS_DOWN);
      endOperators?.();
      // Whoever went just before is told first.
      return shutDown(server, door, grace).then(slices.pause);
    },
  };
};

/** Who calls, and what is told of their calls. */
const newCallers = <Caller>(
  options: Pick<XdsServerOptions<Caller>, 'authenticate' | 'onEvent'>,
  now: () => Instant,
  newId: () => StreamId,
) => {
  const authenticate = async (call: Call): Promise<Result<Caller, Refusal>> => {
    const shown = credentialsOf(call, now());
    return shown.ok ? options.authenticate(shown.value) : shown;
  };
  /** Whoever is refused with a certificate proves the next one over a new connection. */
  const tell = (call: Call, stream: StreamId, what: Happening): void => {
    if (what.kind === 'refused' && showsCertificate(call.socket)) call.retireConnection();
    options.onEvent(onStream(what, stream, now()));
  };
  const turnedAway = (call: Call, refusal: Refusal): void =>
    tell(call, newId(), { kind: 'refused', peer: call.connection.peer, refusal });
  return { authenticate, tell, turnedAway };
};

/** What those who look in need of the server around them. */
const lookingIn = (around: {
  readonly now: () => Instant;
  readonly streams: ReadonlyMap<StreamId, Stream>;
  readonly turnedAway: (call: Call, refusal: Refusal) => void;
}): Omit<Parameters<typeof addOperators>[1], keyof OperatorPorts> => ({
  authorizationOf: (call) => authorizationOf(call, around.now()),
  sessionOf: (stream) => around.streams.get(stream)?.session(),
  turnedAway: (call, message) => around.turnedAway(call, { code: 'unauthenticated', message }),
});

const streamIds = (): (() => StreamId) => {
  const run = randomBytes(4).toString('hex');
  let opened = 0;
  return () => `${run}-${++opened}` as StreamId;
};

/** Of a call that shows no bad certificate. */
const authorizationOf = (call: Call, now: Instant): string | undefined => {
  const shown = credentialsOf(call, now);
  return shown.ok ? shown.value.authorization : undefined;
};

const shutDown = async (server: GrpcServer, door: Door, grace: Duration): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, grace);
  });
  await Promise.race([server.close(), late]);
  clearTimeout(timer);
  door.destroy();
};

import { type Answer, once } from './answer.ts';
import type { Call } from './grpc/call.ts';
import type { GrpcServer } from './grpc/grpcServer.ts';
import { type Fault, STATUS } from './grpc/status.ts';
import { GRPC_SERVICES } from './grpcProtos.ts';
import { lazyDescriptors, newReflection } from './reflection.ts';
import { SERVICE_NAMES } from './service.ts';
import { bounded, clientStatus, inParts, type StatusPorts } from './statusAnswers.ts';

/** What those who look in, and are no sidecars, need of those around the server. */
export type OperatorPorts = {
  /** Judges the call's `authorization`, before a byte of it is read. */
  readonly admits: (authorization: string | undefined) => boolean;
  readonly ledger: StatusPorts['ledger'];
};

type Ports = OperatorPorts &
  StatusPorts & {
    readonly authorizationOf: (call: Call) => string | undefined;
    /** A call was refused with these words for its credential. */
    readonly turnedAway: (call: Call, message: string) => void;
  };

const CSDS = 'envoy.service.status.v3.ClientStatusDiscoveryService';

/** A tool needs two at once: one for what it asks, one for what the answer means. */
const CALLS_PER_CONNECTION = 8;
const MAX_REQUEST_BYTES = 64 * 1024;

/** Client status (CSDS) and reflection, for those whom `admits` lets in. Returns what ends all calls. */
export const addOperators = (server: GrpcServer, ports: Ports): (() => void) => {
  const descriptors = lazyDescriptors();
  const services = [...SERVICE_NAMES, CSDS, ...Object.values(GRPC_SERVICES)].sort();
  const calls = new Set<Call>();
  const add = (service: string, name: string, newAnswers: () => (request: Buffer) => Answer): void =>
    server.serve(`/${service}/${name}`, (call) => {
      const refusal = turnAway(call, ports, calls);
      if (refusal !== undefined) return call.end(refusal.code, refusal.message);
      calls.add(call);
      call.onClose(() => calls.delete(call));
      // Its connection is no stranger's while it lasts.
      call.onClose(call.connection.hold());
      talk(call, newAnswers());
    });
  for (const service of [GRPC_SERVICES.reflection, GRPC_SERVICES.oldReflection]) {
    add(service, 'ServerReflectionInfo', () => {
      const reflect = newReflection(services, descriptors);
      return (request) => once(reflect(request));
    });
  }
  add(CSDS, 'FetchClientStatus', () => (request) => bounded(clientStatus(request, ports)));
  add(CSDS, 'StreamClientStatus', () => (request) => inParts(clientStatus(request, ports)));
  return () => {
    for (const call of calls) call.end(STATUS.UNAVAILABLE, 'the control plane shuts down');
  };
};

const turnAway = (call: Call, ports: Ports, calls: ReadonlySet<Call>): Fault | undefined => {
  if (!ports.admits(ports.authorizationOf(call))) {
    const message = 'client status and reflection are for holders of the admin token';
    ports.turnedAway(call, message);
    return { code: STATUS.UNAUTHENTICATED, message };
  }
  const open = [...calls].filter(({ connection }) => connection === call.connection).length;
  if (open < CALLS_PER_CONNECTION) return undefined;
  return { code: STATUS.RESOURCE_EXHAUSTED, message: `${open} such calls are open on this connection` };
};

/** Answers one request after the other; the next is read when the client took the answer. */
const talk = (call: Call, answers: (request: Buffer) => Answer): void => {
  const over = new Promise<boolean>((resolve) => call.onClose(() => resolve(false)));
  const written = (bytes: Buffer): Promise<boolean> =>
    Promise.race([over, new Promise<boolean>((resolve) => call.write(bytes, () => resolve(true)))]);
  /** Whether the call goes on. */
  const answer = async (request: Buffer): Promise<boolean> => {
    if (request.length > MAX_REQUEST_BYTES) {
      call.end(STATUS.RESOURCE_EXHAUSTED, `a request has at most ${MAX_REQUEST_BYTES} bytes here`);
      return false;
    }
    for await (const part of answers(request)) {
      if (!part.ok) call.end(part.error.code, part.error.message);
      if (!part.ok || !(await written(part.value))) return false;
    }
    return true;
  };
  const listen = (): void =>
    call.next((read) => {
      if (!read.ok) return call.end(read.error.code, read.error.message);
      if (read.value === undefined) return call.end(STATUS.OK);
      answer(read.value).then(
        (goesOn) => goesOn && listen(),
        () => call.end(STATUS.INTERNAL, 'this request cannot be answered'),
      );
    });
  listen();
};

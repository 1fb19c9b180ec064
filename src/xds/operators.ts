import { type MethodDefinition, type Server, type ServiceDefinition, status } from '@grpc/grpc-js';
import { type Answer, type Fault, once } from './answer.ts';
import { GRPC_SERVICES } from './grpcProtos.ts';
import { lazyDescriptors, newReflection } from './reflection.ts';
import { method, SERVICE_NAMES } from './service.ts';
import { bounded, clientStatus, inParts, type StatusPorts } from './statusAnswers.ts';
import { type Call, refuse } from './stream.ts';

/** What those who look in, and are no sidecars, need of those around the server. */
export type OperatorPorts = {
  /** Judges the call's `authorization`, before a byte of it is read. */
  readonly admits: (authorization: string | undefined) => boolean;
  readonly ledger: StatusPorts['ledger'];
};

type Ports = OperatorPorts &
  StatusPorts & {
    readonly authorizationOf: (call: Call) => string | undefined;
    /** A call with the right credential: its connection is no stranger's while it lasts. */
    readonly letIn: (call: Call) => void;
    /** A call was refused with these words for its credential. */
    readonly turnedAway: (call: Call, message: string) => void;
  };

const CSDS = 'envoy.service.status.v3.ClientStatusDiscoveryService';

/** A tool needs two at once: one for what it asks, one for what the answer means. */
const CALLS_PER_CONNECTION = 8;
const MAX_REQUEST_BYTES = 64 * 1024;

/**
 * Client status (CSDS) and reflection, for those whom `admits` lets in. Every method is a stream here, unary ones too (they look
 * the same on the wire): so a call can be refused before its message is read. Returns what ends all calls.
 */
export const addOperators = (server: Server, ports: Ports): (() => void) => {
  const descriptors = lazyDescriptors();
  const services = [...SERVICE_NAMES, CSDS, ...Object.values(GRPC_SERVICES)].sort();
  const calls = new Map<Call, string>();
  const add = (service: string, name: string, newAnswers: () => (request: Buffer) => Answer): void => {
    const methods: Record<string, MethodDefinition<Buffer, Buffer>> = { [name]: method(service, name, true) };
    const serve = (call: Call): void => {
      const refusal = turnAway(call, ports, calls);
      if (refusal !== undefined) {
        refuse(call, refusal.code, refusal.message);
        return;
      }
      calls.set(call, call.getPeer());
      ports.letIn(call);
      for (const over of ['close', 'cancelled']) call.on(over, () => calls.delete(call));
      talk(call, newAnswers());
    };
    server.addService(methods satisfies ServiceDefinition, { [name]: serve });
  };
  for (const service of [GRPC_SERVICES.reflection, GRPC_SERVICES.oldReflection]) {
    add(service, 'ServerReflectionInfo', () => {
      const reflect = newReflection(services, descriptors);
      return (request) => once(reflect(request));
    });
  }
  add(CSDS, 'FetchClientStatus', () => (request) => bounded(clientStatus(request, ports)));
  add(CSDS, 'StreamClientStatus', () => (request) => inParts(clientStatus(request, ports)));
  return () => {
    for (const call of calls.keys()) refuse(call, status.UNAVAILABLE, 'the control plane shuts down');
  };
};

const turnAway = (call: Call, ports: Ports, calls: ReadonlyMap<Call, string>): Fault | undefined => {
  if (!ports.admits(ports.authorizationOf(call))) {
    const message = 'client status and reflection are for holders of the admin token';
    ports.turnedAway(call, message);
    return { code: status.UNAUTHENTICATED, message };
  }
  const peer = call.getPeer();
  const open = [...calls.values()].filter((other) => other === peer).length;
  if (open < CALLS_PER_CONNECTION) return undefined;
  return { code: status.RESOURCE_EXHAUSTED, message: `${open} such calls are open on this connection` };
};

/** Answers one request after the other; the next is read when the client took the answer. */
const talk = (call: Call, answers: (request: Buffer) => Answer): void => {
  const over = new Promise<boolean>((resolve) => {
    for (const event of ['close', 'cancelled', 'error']) call.on(event, () => resolve(false));
  });
  const written = (bytes: Buffer): Promise<boolean> =>
    Promise.race([
      over,
      new Promise<boolean>((resolve) => call.write(bytes, (error?: Error | null) => resolve(!error))),
    ]);
  /** Whether the call goes on. */
  const answer = async (request: Buffer): Promise<boolean> => {
    if (request.length > MAX_REQUEST_BYTES) {
      refuse(call, status.RESOURCE_EXHAUSTED, `a request has at most ${MAX_REQUEST_BYTES} bytes here`);
      return false;
    }
    for await (const part of answers(request)) {
      if (!part.ok) refuse(call, part.error.code, part.error.message);
      if (!part.ok || !(await written(part.value))) return false;
    }
    return true;
  };
  let answered = Promise.resolve(true);
  call.on('data', (request: Buffer) => {
    call.pause();
    answered = answer(request).catch(() => {
      refuse(call, status.INTERNAL, 'this request cannot be answered');
      return false;
    });
    void answered.then((goesOn) => goesOn && call.resume());
  });
  // It comes while the last answer is under way, too.
  call.on('end', () => void answered.then((goesOn) => goesOn && call.end()));
};

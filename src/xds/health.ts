import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { messageOf } from '../lib/errors.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Call } from './grpc/call.ts';
import type { GrpcServer } from './grpc/grpcServer.ts';
import { type Fault, STATUS } from './grpc/status.ts';
import { GRPC_SERVICES } from './grpcProtos.ts';
import { SERVICE_NAMES } from './service.ts';

/** Numbers of a ServingStatus. */
const HEALTH = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;

type Health = (typeof HEALTH)[keyof typeof HEALTH];

/** Answers a request, or says why not. */
type Answer = (request: Buffer) => Result<Buffer, Fault>;

/**
 * gRPC health, for anybody; the function that it returns says NOT_SERVING from then on. It keeps no name that was asked for: strangers
 * choose those.
 * https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto
 */
export const addHealth = (server: GrpcServer): (() => void) => {
  const names = new Set(['', ...SERVICE_NAMES]);
  const watching = new Set<Call>();
  let health: Health = HEALTH.SERVING;

  const check: Answer = (request) => {
    const name = readName(request);
    if (!name.ok) return name;
    if (names.has(name.value)) return ok(response(health));
    return err({ code: STATUS.NOT_FOUND, message: 'no such service is here' });
  };
  const list: Answer = () => {
    const writer = new BinaryWriter();
    for (const name of names) {
      const entry = writer.uint32(TEXT).fork().uint32(TEXT).string(name);
      entry.uint32(HEALTH_OF_NAME).bytes(response(health)).join();
    }
    return ok(Buffer.from(writer.finish()));
  };
  /** A name that is unknown stays so: there is nothing to be told later. The call ends when its client ends it. */
  const watch = (call: Call): Answer => {
    return (request) => {
      const name = readName(request);
      if (!name.ok) return name;
      if (!names.has(name.value)) return ok(response(HEALTH.SERVICE_UNKNOWN));
      watching.add(call);
      call.onClose(() => watching.delete(call));
      return ok(response(health));
    };
  };
  server.serve(`/${GRPC_SERVICES.health}/Check`, (call) => answerTo(call, check, true));
  server.serve(`/${GRPC_SERVICES.health}/List`, (call) => answerTo(call, list, true));
  server.serve(`/${GRPC_SERVICES.health}/Watch`, (call) => answerTo(call, watch(call), false));
  return () => {
    health = HEALTH.NOT_SERVING;
    for (const call of watching) call.write(response(health));
  };
};

const answerTo = (call: Call, answer: Answer, ends: boolean): void => {
  call.next((read) => {
    const answered = read.ok ? answer(read.value ?? NO_MESSAGE) : read;
    if (!answered.ok) return call.end(answered.error.code, answered.error.message);
    call.write(answered.value);
    if (ends) call.end(STATUS.OK);
  });
};

/** Of a client that says nothing: as an empty request, which asks for the server as a whole. */
const NO_MESSAGE = Buffer.alloc(0);
const LENGTH_DELIMITED = 2;
/** Field 1 as text: the name in a HealthCheckRequest, an entry of a HealthListResponse, and its key. */
const TEXT = (1 << 3) | LENGTH_DELIMITED;
/** Field 2, the value of such an entry. */
const HEALTH_OF_NAME = (2 << 3) | LENGTH_DELIMITED;
/** Field 1 of a HealthCheckResponse, a varint. */
const STATUS_FIELD = 1 << 3;

const response = (health: Health): Buffer =>
  Buffer.from(new BinaryWriter().uint32(STATUS_FIELD).int32(health).finish());

const readName = (request: Buffer): Result<string, Fault> => {
  try {
    const reader = new BinaryReader(request);
    let name = '';
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1 && wireType === LENGTH_DELIMITED) name = reader.string(true);
      else reader.skip(wireType, field);
    }
    return ok(name);
  } catch (thrown) {
    const message = `this HealthCheckRequest cannot be read: ${messageOf(thrown)}`;
    return err({ code: STATUS.INVALID_ARGUMENT, message });
  }
};

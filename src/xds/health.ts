import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Server,
  type ServerWritableStream,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type ServingStatus, service } from 'grpc-health-check';
import { SERVICE_NAMES } from './service.ts';

type Question = { readonly service: string };
type Health = { readonly status: ServingStatus | 'SERVICE_UNKNOWN' };

/**
 * gRPC health, for anybody; the function that it returns says NOT_SERVING from then on. The package's own implementation
 * keeps every name that was ever watched, and strangers choose those.
 * https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto
 */
export const addHealth = (server: Server): (() => void) => {
  const names = new Set(['', ...SERVICE_NAMES]);
  const watching = new Set<ServerWritableStream<Question, Health>>();
  let health: Health = { status: 'SERVING' };

  const check: handleUnaryCall<Question, Health> = (call, answer) => {
    if (names.has(call.request.service)) answer(null, health);
    else answer({ code: status.NOT_FOUND, details: 'no such service is here' });
  };
  const watch: handleServerStreamingCall<Question, Health> = (call) => {
    // A name that is unknown stays so: there is nothing to be told later.
    if (!names.has(call.request.service)) return void call.write({ status: 'SERVICE_UNKNOWN' });
    watching.add(call);
    for (const over of ['cancelled', 'close']) call.on(over, () => watching.delete(call));
    call.write(health);
  };
  const list: handleUnaryCall<unknown, { readonly statuses: Readonly<Record<string, Health>> }> = (_call, answer) =>
    answer(null, { statuses: Object.fromEntries([...names].map((name) => [name, health])) });

  server.addService(service, { check, watch, list } satisfies UntypedServiceImplementation);
  return () => {
    health = { status: 'NOT_SERVING' };
    for (const call of watching) call.write(health);
  };
};

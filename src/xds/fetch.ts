import type { handleUnaryCall, ServerUnaryCall } from '@grpc/grpc-js';
import { err, ok, type Result } from '../lib/result.ts';
import type { Refusal } from './events.ts';
import { holdingsOf, typeVersion } from './holdings.ts';
import { type NodeIdentity, readNode, readSotwRequest } from './request.ts';
import { type Resource, TYPE } from './resource.ts';
import { statusOf } from './stream.ts';
import { encodeResponse } from './wire.ts';

type Fetched = Promise<Result<readonly Resource[], Refusal>>;

/** All secrets of a node that agrees with its caller. */
export type FetchSecrets<Caller> = (caller: Caller, node: NodeIdentity) => Fetched;

type UnaryCall = ServerUnaryCall<Buffer, Buffer>;

export type FetchPorts<Caller> = {
  /** Before a byte of the request is looked at. */
  readonly authenticate: (call: UnaryCall) => Promise<Result<Caller, Refusal>>;
  /** Runs `answer` when it is the call's turn among all that have good credentials. */
  readonly inTurn: (call: UnaryCall, caller: Caller, node: NodeIdentity, answer: () => Fetched) => Fetched;
  readonly fetch: FetchSecrets<Caller>;
  readonly refused: (call: UnaryCall, refusal: Refusal) => void;
};

/** A node and a few names. */
const MAX_REQUEST_BYTES = 64 * 1024;

const invalid = (message: string): Result<never, Refusal> => err({ code: 'invalid_argument', message });

/**
 * One answer to one DiscoveryRequest for secrets: those that it names, or without names all that are the node's. Nothing
 * is subscribed to, and nobody is registered: this is how a client certificate is had before there is an Envoy to use it.
 */
export const fetchHandler = <Caller>(ports: FetchPorts<Caller>): handleUnaryCall<Buffer, Buffer> => {
  const fetch = async (call: UnaryCall): Promise<Result<Buffer, Refusal>> => {
    const caller = await ports.authenticate(call);
    return caller.ok
      ? answerTo(call.request, (node) => ports.inTurn(call, caller.value, node, () => ports.fetch(caller.value, node)))
      : caller;
  };
  return (call, answer) => {
    const refused = (refusal: Refusal): void => {
      ports.refused(call, refusal);
      answer(statusOf(refusal));
    };
    fetch(call).then(
      (fetched) => (fetched.ok ? answer(null, fetched.value) : refused(fetched.error)),
      () => refused({ code: 'unavailable', message: 'these secrets cannot be told now' }),
    );
  };
};

type Fetch = (node: NodeIdentity) => Fetched;

const answerTo = async (bytes: Buffer, fetch: Fetch): Promise<Result<Buffer, Refusal>> => {
  if (bytes.length > MAX_REQUEST_BYTES) {
    return err({ code: 'resource_exhausted', message: `a request has at most ${MAX_REQUEST_BYTES} bytes here` });
  }
  const read = readSotwRequest(bytes, TYPE.sds);
  if (!read.ok) return invalid(read.error);
  if (read.value.node === undefined) return invalid('the request names no node');
  const node = readNode(read.value.node);
  if (!node.ok) return invalid(node.error);
  const secrets = await fetch(node.value);
  if (!secrets.ok) return secrets;
  const { names } = read.value.request;
  const resources = secrets.value.filter(({ name }) => names.length === 0 || names.includes(name));
  const version = typeVersion(holdingsOf(resources.map((resource) => [resource.name, resource.version] as const)));
  return ok(encodeResponse({ variant: 'sotw', type: TYPE.sds, nonce: '', version, resources, removed: [] }));
};

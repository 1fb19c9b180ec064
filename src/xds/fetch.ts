import { err, ok, type Result } from '../lib/result.ts';
import type { Refusal } from './events.ts';
import type { Call } from './grpc/call.ts';
import type { Method } from './grpc/grpcServer.ts';
import { STATUS } from './grpc/status.ts';
import { holdingsOf, typeVersion } from './holdings.ts';
import { codeOf, refusalOf } from './refusals.ts';
import { type NodeIdentity, readNode, readSotwRequest } from './request.ts';
import { type Resource, TYPE } from './resource.ts';
import { encodeFramed } from './wire.ts';

type Fetched = Promise<Result<readonly Resource[], Refusal>>;

/** All secrets of a node that agrees with its caller. */
export type FetchSecrets<Caller> = (caller: Caller, node: NodeIdentity) => Fetched;

export type FetchPorts<Caller> = {
  /** Before a byte of the request is looked at. */
  readonly authenticate: (call: Call) => Promise<Result<Caller, Refusal>>;
  /** Runs `answer` when it is the call's turn among all that have good credentials. */
  readonly inTurn: (call: Call, caller: Caller, node: NodeIdentity, answer: () => Fetched) => Fetched;
  readonly fetch: FetchSecrets<Caller>;
  readonly refused: (call: Call, refusal: Refusal) => void;
};

/** A node and a few names. */
const MAX_REQUEST_BYTES = 64 * 1024;

const invalid = (message: string): Result<never, Refusal> => err({ code: 'invalid_argument', message });

/**
 * One answer to one DiscoveryRequest for secrets: those that it names, or without names all that are the node's. Nothing
 * is subscribed to, and nobody is registered: this is how a client certificate is had before there is an Envoy to use it.
 */
export const fetchMethod = <Caller>(ports: FetchPorts<Caller>): Method => {
  const fetch = async (call: Call): Promise<Result<Buffer, Refusal>> => {
    const caller = await ports.authenticate(call);
    if (!caller.ok) return caller;
    const read = await call.received();
    if (!read.ok) return err(refusalOf(read.error));
    if (read.value === undefined) return invalid('the call has no request');
    const inTurn: Fetch = (node) => ports.inTurn(call, caller.value, node, () => ports.fetch(caller.value, node));
    return answerTo(read.value, inTurn);
  };
  return (call) => {
    const refused = (refusal: Refusal): void => {
      ports.refused(call, refusal);
      call.end(codeOf(refusal), refusal.message);
    };
    const fetched = (answer: Buffer): void => {
      call.writeFramed(answer);
      call.end(STATUS.OK);
    };
    fetch(call).then(
      (answer) => (answer.ok ? fetched(answer.value) : refused(answer.error)),
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
  return ok(encodeFramed({ variant: 'sotw', type: TYPE.sds, nonce: '', version, resources, removed: [] }));
};

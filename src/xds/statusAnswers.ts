import { ClientStatusRequest, ClientStatusResponse } from '../gen/envoy/service/status/v3/csds.ts';
import { messageOf } from '../lib/errors.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Answer, invalid } from './answer.ts';
import { clientConfig } from './clientStatus.ts';
import type { StreamId } from './events.ts';
import { STATUS } from './grpc/status.ts';
import type { SidecarRecord } from './ledger.ts';
import { nodeMatch } from './nodeMatch.ts';
import type { SessionState } from './sessionState.ts';

export type StatusPorts = {
  /** The ACK ledger of every connected client. */
  readonly ledger: () => Iterable<SidecarRecord>;
  readonly sessionOf: (stream: StreamId) => SessionState | undefined;
};

/** What gRPC clients take unless told otherwise. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** A streamed answer is cut between two clients after so much. */
const PART_BYTES = 1024 * 1024;

/** One ClientStatusResponse for each client that is asked for. Put one after the other they are one response. */
export const clientStatus = async function* (bytes: Buffer, { ledger, sessionOf }: StatusPorts): Answer {
  const request = readStatusRequest(bytes);
  const match = request.ok ? nodeMatch(request.value.nodeMatchers) : request;
  if (!request.ok || !match.ok) return yield invalid(match.ok ? '' : match.error);
  for (const record of ledger()) {
    const session = sessionOf(record.stream);
    if (session === undefined || !match.value(record.node.id)) continue;
    const config = clientConfig(record, session, !request.value.excludeResourceContents);
    yield ok(Buffer.from(ClientStatusResponse.encode({ config: [config] }).finish()));
    // Sidecars wait for this loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const readStatusRequest = (bytes: Buffer): Result<ClientStatusRequest, string> => {
  try {
    return ok(ClientStatusRequest.decode(bytes));
  } catch (thrown) {
    return err(`this ClientStatusRequest cannot be read: ${messageOf(thrown)}`);
  }
};

/** The whole answer in one response, or none: half of it would pass for the whole. */
export const bounded = async function* (answer: Answer): Answer {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer) {
    if (!part.ok) return yield part;
    size += part.value.length;
    if (size > MAX_ANSWER_BYTES) {
      const advice = 'narrow it with node_matchers, exclude_resource_contents, or ask StreamClientStatus';
      return yield err({ code: STATUS.RESOURCE_EXHAUSTED, message: `this answer is larger than 4 MiB: ${advice}` });
    }
    parts.push(part.value);
  }
  yield ok(Buffer.concat(parts));
};

/** The same in responses that clients can take, never fewer than one. */
export const inParts = async function* (answer: Answer): Answer {
  let parts: Buffer[] = [];
  let size = 0;
  for await (const part of answer) {
    if (!part.ok) return yield part;
    if (size > 0 && size + part.value.length > PART_BYTES) {
      yield ok(Buffer.concat(parts));
      [parts, size] = [[], 0];
    }
    parts.push(part.value);
    size += part.value.length;
  }
  yield ok(Buffer.concat(parts));
};

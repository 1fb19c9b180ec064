import { ok, type Result } from '../lib/result.ts';
import { newAdmissions } from './admissions.ts';
import type { Refusal } from './events.ts';
import { type Firsts, newFirsts } from './firsts.ts';
import type { Call } from './grpc/call.ts';
import type { Limits } from './limits.ts';
import { newNodes, type Share } from './nodes.ts';
import type { NodeIdentity } from './request.ts';

/** A call with good credentials. */
export type Guarded = {
  readonly call: Call;
  readonly credential: string;
  readonly end: (refusal: Refusal) => void;
};

type Admit = (node: NodeIdentity) => Promise<Result<void, Refusal>>;

/** Lets streams in when it is their turn, and holds their connection and their share of their node for as long as they live. */
export type Guard = {
  readonly admit: (who: Guarded, node: NodeIdentity, admit: Admit) => Promise<Result<Share, Refusal>>;
  /** Reads a first request, when its credential may have one more read. */
  readonly readFirst: Firsts['read'];
  /** Has it answered when it is its turn, and holds its connection until then. */
  readonly answer: <T>(
    call: Call,
    credential: string,
    node: NodeIdentity,
    answer: () => Promise<Result<T, Refusal>>,
  ) => Promise<Result<T, Refusal>>;
};

export const newGuard = (limits: Limits): Guard => {
  const now = (): number => performance.now();
  const admissions = newAdmissions(limits, now);
  const nodes = newNodes(limits, now);
  const firsts = newFirsts(limits, now);
  const tooMany = `this node has newer streams, and at most ${limits.streamsPerNode} at once`;
  return {
    readFirst: firsts.read,
    admit: async ({ call, credential, end }, node, admit) => {
      const release = call.connection.hold();
      call.onClose(release);
      const who = { credential, node: node.id, isOver: () => call.closed };
      const admitted = await admissions.enter(who, () => admit(node));
      if (!admitted.ok) {
        release();
        return admitted;
      }
      const share = nodes.join(node.id, () => end({ code: 'resource_exhausted', message: tooMany }));
      call.onClose(share.leave);
      return ok(share);
    },
    answer: async (call, credential, node, answer) => {
      const release = call.connection.hold();
      try {
        return await admissions.enter({ credential, node: node.id, isOver: () => call.closed }, answer);
      } finally {
        release();
      }
    },
  };
};

import type { MeshAuthority } from '../../ca/authority.ts';
import type { HeldSvid } from '../../ca/heldSvids.ts';
import { isFromOther, type Rotation, type SidecarFacts } from '../../ca/rotation.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Duration, Instant } from '../../lib/time.ts';
import type { Log } from '../log.ts';
import type { Holder } from './sidecarFacts.ts';

export type ReissuePorts = {
  readonly log: Log;
  readonly authority: Pick<MeshAuthority, 'issuersOf'>;
  readonly issued: () => readonly HeldSvid[];
  readonly holders: () => readonly Holder[];
  readonly reissue: (holder: Holder) => Promise<void>;
};

/** Under way at once: the first certificate of a new CA goes to one sidecar alone, and the others follow its ACK. */
const FIRST = 1;
const AT_ONCE = 32;
/** Who did not ACK by then keeps no other from its turn. */
const PATIENCE: Duration = 10_000;

/** Gives connected sidecars certificates of the CA that comes, a few at a time. */
export const newReissues = (ports: ReissuePorts) => {
  const underWay = new Map<string, Instant>();
  let leadsTo = '';

  const reissue = async (holder: Holder): Promise<void> => {
    const { node } = holder;
    try {
      await ports.reissue(holder);
    } catch (error) {
      ports.log.error(
        { node, err: error },
        `${node} keeps its certificate of the old CA, and is tried again: ${messageOf(error)}`,
      );
    }
  };

  return Object.freeze({
    /** The next few, if others ACKed. */
    next: async (plan: Rotation, facts: readonly SidecarFacts[], now: Instant): Promise<void> => {
      // Back to the old one: what is under way leads elsewhere.
      if (leadsTo !== plan.to) underWay.clear();
      leadsTo = plan.to;
      const done = new Set(
        facts.flatMap(({ node, connected, holds }) =>
          connected && holds.length > 0 && !holds.some((leaf) => isFromOther(plan, leaf)) ? [node] : [],
        ),
      );
      for (const [node, since] of underWay)
        if (done.has(node) || now - since > PATIENCE || now < since) underWay.delete(node);
      const issued = new Map(ports.issued().map(({ instance, svid }) => [instance, svid] as const));
      const due = ports.holders().filter(({ node }) => {
        const svid = issued.get(node);
        const issuers = svid && ports.authority.issuersOf(svid);
        return svid !== undefined && isFromOther(plan, { root: '', intermediate: '', ...issuers });
      });
      // What gRPC applications hold is in files: whoever fetches them has the new one next time.
      const quiet = due.filter(({ client }) => client === 'grpc');
      const room = Math.max(0, (done.size > 0 ? AT_ONCE : FIRST) - underWay.size);
      const waiting = due.filter(({ client, node }) => client === 'envoy' && !underWay.has(node)).slice(0, room);
      for (const { node } of waiting) underWay.set(node, now);
      // Two streams of one node have one certificate.
      const each = new Map([...quiet, ...waiting].map((holder) => [holder.node, holder] as const));
      await Promise.all([...each.values()].map(reissue));
    },
  });
};

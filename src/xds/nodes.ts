import { keepNewest } from '../lib/newest.ts';
import type { Duration, Instant } from '../lib/time.ts';
import { type Allowance, newAllowance } from './allowance.ts';
import type { Limits } from './limits.ts';

/** One live stream's share of its node. */
export type Share = {
  /** Notes CPU time in ms for the node's requests; answers how long it has to wait before the next one is read. */
  readonly spend: (cpu: Duration) => Duration;
  readonly leave: () => void;
};

/** The live streams of every node id that was admitted. What a node may take it shares among all its streams. */
export type Nodes = {
  /** `end` is called if the node opens more streams than it may and this is the oldest. */
  readonly join: (node: string, end: () => void) => Share;
};

type Node = { readonly ends: Set<() => void>; readonly requests: Allowance };

/** Nodes of which it is remembered what they spent, streams or not: who comes again and again has not got a new purse each time. */
const MOST_NODES = 10_000;

/**
 * A node above its number of streams loses the oldest: after a network break that is the half-dead one, and the new one must get in
 * at once.
 */
export const newNodes = (limits: Limits, now: () => Instant): Nodes => {
  const nodes = new Map<string, Node>();
  const purses = new Map<string, Allowance>();
  const rate = { burst: limits.requestBurst, perSecond: limits.requestMillisPerSecond };
  const purseOf = (id: string): Allowance => {
    const purse = purses.get(id) ?? newAllowance(rate);
    keepNewest(purses, id, purse, MOST_NODES);
    return purse;
  };
  return {
    join: (id, end) => {
      const node = nodes.get(id) ?? { ends: new Set(), requests: purseOf(id) };
      nodes.set(id, node);
      // A wrapper of its own: two streams may come with the same function.
      const mine = (): void => end();
      node.ends.add(mine);
      const leave = (): void => {
        node.ends.delete(mine);
        if (node.ends.size === 0 && nodes.get(id) === node) nodes.delete(id);
      };
      const [oldest] = node.ends;
      if (node.ends.size > limits.streamsPerNode && oldest !== undefined) {
        node.ends.delete(oldest);
        oldest();
      }
      return { spend: (cpu) => node.requests.spend(cpu, now()), leave };
    },
  };
};

import type { NodeMatcher } from '../gen/envoy/type/matcher/v3/node.ts';
import { err, ok, type Result } from '../lib/result.ts';

/** Whether a node id is asked for. */
export type NodeMatch = (id: string) => boolean;

/**
 * The matchers of a client status request, one of which must match; without any, all nodes do. What cannot be matched safely
 * (regular expressions of others) or is not kept (node metadata) is refused: an answer about too many nodes would be a wrong one.
 * https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/type/matcher/v3/node.proto
 */
export const nodeMatch = (matchers: readonly NodeMatcher[]): Result<NodeMatch, string> => {
  const matches: NodeMatch[] = [];
  for (const matcher of matchers) {
    const match = matchOf(matcher);
    if (!match.ok) return match;
    matches.push(match.value);
  }
  return ok((id) => matches.length === 0 || matches.some((match) => match(id)));
};

const matchOf = ({ nodeId, nodeMetadatas }: NodeMatcher): Result<NodeMatch, string> => {
  if (nodeMetadatas.length > 0) return err('node_metadatas are not matched here: match by node_id');
  const pattern = nodeId?.matchPattern;
  const folded = (text: string): string => (nodeId?.ignoreCase ? text.toLowerCase() : text);
  switch (pattern?.$case) {
    case 'exact':
      return ok((id) => folded(id) === folded(pattern.value));
    case 'prefix':
      return ok((id) => folded(id).startsWith(folded(pattern.value)));
    case 'suffix':
      return ok((id) => folded(id).endsWith(folded(pattern.value)));
    case 'contains':
      return ok((id) => folded(id).includes(folded(pattern.value)));
    default:
      return err('node_id takes exact, prefix, suffix or contains');
  }
};

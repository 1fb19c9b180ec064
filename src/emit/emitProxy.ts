import type { ProxyPlan, Upstream } from '../plan/proxyPlan.ts';
import type { SpiffeId } from '../spiffe/spiffeId.ts';
import { upstreamClusters } from './clusters.ts';
import type { Emitted } from './emitted.ts';
import { emitInbound } from './inbound.ts';
import { emitOutbound } from './outbound.ts';

const encoded = new WeakMap<Upstream, Map<SpiffeId, readonly Emitted[]>>();

/** All Envoy resources of one sidecar but its secrets. Upstreams are encoded once for all callers of one identity. */
export const emitProxy = (plan: ProxyPlan): readonly Emitted[] => [
  ...plan.upstreams.flatMap((upstream) => shared(plan, upstream)),
  ...plan.inbound.flatMap((port) => emitInbound(plan, port)),
  ...emitOutbound(plan),
];

const shared = (plan: ProxyPlan, upstream: Upstream): readonly Emitted[] => {
  const byIdentity = encoded.get(upstream) ?? new Map<SpiffeId, readonly Emitted[]>();
  encoded.set(upstream, byIdentity);
  const known = byIdentity.get(plan.identity);
  if (known !== undefined) return known;
  const fresh = upstreamClusters(plan, upstream);
  byIdentity.set(plan.identity, fresh);
  return fresh;
};

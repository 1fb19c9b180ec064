import type { Port } from '../model/mesh.ts';
import type { InboundPort, Outbound, ProxyPlan, Upstream } from '../plan/proxyPlan.ts';
import { discoveryOf, upstreamCluster, upstreamEndpoints } from './clusters.ts';
import type { Emitted } from './emitted.ts';
import { emitInbound } from './inbound.ts';
import { emitOutbound } from './outbound.ts';

/** All Envoy resources of one sidecar but its secrets. What was encoded for the same part of another plan is shared. */
export const emitProxy = (plan: ProxyPlan): readonly Emitted[] => {
  // What the resources say besides the part that they are made for.
  const context = [plan.identity, plan.certificateTtl, plan.federated, ...plan.ownDomains].join(' ');
  return [
    ...plan.upstreams.flatMap((upstream) =>
      once(upstreams, upstream, context, () => emitUpstream(plan, upstream, context)),
    ),
    ...plan.inbound.flatMap((port) => once(inbounds, port, context, () => emitInbound(plan, port))),
    ...once(outbounds, plan.outbound, '', () => emitOutbound(plan)),
  ];
};

// An endpoint that comes or goes is one new assignment for all callers: the cluster hangs on what is declared.
const emitUpstream = (plan: ProxyPlan, upstream: Upstream, context: string): readonly Emitted[] => {
  const cluster = (): readonly Emitted[] => [upstreamCluster(plan, upstream)];
  const { byName, mixed } = discoveryOf(upstream);
  if (byName) return cluster();
  return [
    ...once(clusters, upstream.declared, `${context} ${upstream.tls} ${mixed}`, cluster),
    ...once(endpoints, upstream, '', () => [upstreamEndpoints(upstream)]),
  ];
};

type Encoded<Part extends object> = WeakMap<Part, Map<string, readonly Emitted[]>>;

const clusters: Encoded<Port> = new WeakMap();
const endpoints: Encoded<Upstream> = new WeakMap();
const upstreams: Encoded<Upstream> = new WeakMap();
const inbounds: Encoded<InboundPort> = new WeakMap();
const outbounds: Encoded<Outbound> = new WeakMap();

const once = <Part extends object>(
  encoded: Encoded<Part>,
  part: Part,
  context: string,
  emit: () => readonly Emitted[],
): readonly Emitted[] => {
  const byContext = encoded.get(part) ?? new Map<string, readonly Emitted[]>();
  encoded.set(part, byContext);
  const known = byContext.get(context);
  if (known !== undefined) return known;
  const fresh = emit();
  byContext.set(context, fresh);
  return fresh;
};

import type { InboundPort, Outbound, ProxyPlan, Upstream } from '../plan/proxyPlan.ts';
import { upstreamClusters } from './clusters.ts';
import type { Emitted } from './emitted.ts';
import { emitInbound } from './inbound.ts';
import { emitOutbound } from './outbound.ts';

/** All Envoy resources of one sidecar but its secrets. What was encoded for the same part of another plan is shared. */
export const emitProxy = (plan: ProxyPlan): readonly Emitted[] => {
  // What the resources say besides the part that they are made for.
  const context = `${plan.identity} ${plan.certificateTtl}`;
  return [
    ...plan.upstreams.flatMap((upstream) => once(upstreams, upstream, context, () => upstreamClusters(plan, upstream))),
    ...plan.inbound.flatMap((port) => once(inbounds, port, context, () => emitInbound(plan, port))),
    ...once(outbounds, plan.outbound, '', () => emitOutbound(plan)),
  ];
};

type Encoded<Part extends object> = WeakMap<Part, Map<string, readonly Emitted[]>>;

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

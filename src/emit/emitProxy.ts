import { inboundListenerName, inboundRouteName, isOutboundName, upstreamClusterName } from '../envoy/names.ts';
import { isSamePlace, type Location } from '../lib/diagnostic.ts';
import { messageOf } from '../lib/errors.ts';
import type { Access, Declared, InboundPort, Outbound, ProxyPlan, Upstream } from '../plan/proxyPlan.ts';
import { discoveryOf, nameOfApp, upstreamCluster, upstreamEndpoints } from './clusters.ts';
import type { Emitted } from './emitted.ts';
import { emitBehind, emitListener } from './inbound.ts';
import { type Made, once } from './once.ts';
import { emitOutbound } from './outbound.ts';

/** A port, an upstream or the outbound side that cannot be emitted, which is a mistake of ours. */
export type Fault = {
  /** With the line of mesh.yaml and the resource. */
  readonly message: string;
  /** Whether a resource of this name belongs to the part. */
  readonly isOf: (name: string) => boolean;
};

export type Emission = { readonly emitted: readonly Emitted[]; readonly faults: readonly Fault[] };

/**
 * All Envoy resources of one sidecar but its secrets. What was encoded for the same part of another plan is shared. A part that cannot be
 * emitted is a fault and keeps no other part back; what belongs together (a port's listener, policy and cluster) is there or is not.
 */
export const emitParts = (plan: ProxyPlan): Emission => {
  const faults: Fault[] = [];
  const attempt = (isOf: Fault['isOf'], emit: () => readonly Emitted[]): readonly Emitted[] => {
    try {
      return emit();
    } catch (thrown) {
      faults.push({ message: messageOf(thrown), isOf });
      return [];
    }
  };
  // What the resources say besides the part that they are made for.
  const context = [plan.identity, plan.certificateTtl, plan.federated, ...plan.ownDomains].join(' ');
  const emitted = [
    ...plan.upstreams.flatMap((upstream) => {
      const own = upstreamClusterName(upstream.service, upstream.port);
      const emit = () => once(upstreams, upstream, context, () => emitUpstream(plan, upstream, context));
      return attempt((name) => name === own, emit);
    }),
    ...plan.inbound.flatMap((port) => {
      const names = [inboundListenerName(port.port), inboundRouteName(port.port), nameOfApp(port)];
      const emit = () => [
        ...once(listeners, port, context, () => emitListener(plan, port, context)),
        // Alike for all instances, which listen each at an address of its own.
        ...once(behind, port.access, context, () => emitBehind(plan, port)),
      ];
      return attempt((name) => names.includes(name), emit);
    }),
    ...attempt(isOutboundName, () => once(outbounds, plan.outbound, '', () => emitOutbound(plan))),
  ];
  return { emitted, faults };
};

/** The same, all or nothing. @throws Error if a part cannot be emitted */
export const emitProxy = (plan: ProxyPlan): readonly Emitted[] => {
  const { emitted, faults } = emitParts(plan);
  if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('; '));
  return emitted;
};

// An endpoint that comes or goes is one new assignment for all callers: the cluster hangs on what is declared.
const emitUpstream = (plan: ProxyPlan, upstream: Upstream, context: string): readonly Emitted[] => {
  const cluster = (): readonly Emitted[] => [upstreamCluster(plan, upstream)];
  const { byName, mixed } = discoveryOf(upstream);
  if (byName) return cluster();
  return [
    ...onceAt(clusters, upstream.declared, `${context} ${upstream.tls} ${mixed}`, upstream.location, cluster),
    ...onceAt(endpoints, upstream.endpoints, '', upstream.location, () => [upstreamEndpoints(upstream)]),
  ];
};

type Encoded<Part extends object> = Made<Part, readonly Emitted[]>;

const clusters: Encoded<Declared> = new WeakMap();
const endpoints: Encoded<Upstream['endpoints']> = new WeakMap();
const upstreams: Encoded<Upstream> = new WeakMap();
const listeners: Encoded<InboundPort> = new WeakMap();
const behind: Encoded<Access> = new WeakMap();
const outbounds: Encoded<Outbound> = new WeakMap();

/** The same where a save may have moved the lines alone. */
const onceAt = <Part extends object>(
  encoded: Encoded<Part>,
  part: Part,
  context: string,
  location: Location,
  emit: () => readonly Emitted[],
): readonly Emitted[] => {
  const known = once(encoded, part, context, emit);
  if (known.every(({ source }) => source !== undefined && isSamePlace(source, location))) return known;
  const moved = known.map((one) => ({ ...one, source: location }));
  encoded.get(part)?.set(context, moved);
  return moved;
};

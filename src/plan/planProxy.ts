import type { Instant } from '../lib/time.ts';
import type { Mesh } from '../model/mesh.ts';
import { planInbound } from './inbound.ts';
import { planOutbound, visiblePorts } from './outbound.ts';
import type { EndpointTable, ProxyPlan, ProxyRef } from './proxyPlan.ts';
import { planUpstream } from './upstream.ts';

/**
 * What one sidecar must do now. Pure: the same mesh, moment, sidecar and endpoints give the same plan.
 * `undefined` if the mesh has no such service.
 */
export const planProxy = (mesh: Mesh, now: Instant, ref: ProxyRef, endpoints: EndpointTable): ProxyPlan | undefined => {
  const service = mesh.services.get(ref.service);
  if (service === undefined) return undefined;
  const upstreams = visiblePorts(mesh, service).flatMap((key) => {
    const target = mesh.services.get(key.slice(0, key.lastIndexOf(':')) as typeof ref.service);
    const port = target?.ports.find((candidate) => `${target.key}:${candidate.port}` === key);
    return target === undefined || port === undefined ? [] : [planUpstream(target, port, now, endpoints)];
  });
  return {
    service: service.key,
    identity: service.identity,
    trustDomain: mesh.trustDomain,
    certificateTtl: mesh.certificates.ttl,
    inbound: service.ports.map((port) => planInbound(service, port, now, ref)),
    upstreams,
    outbound: planOutbound(mesh, service, ref, upstreams),
  };
};

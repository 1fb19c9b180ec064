import { emitParts, type Fault } from '../emit/emitProxy.ts';
import type { Emitted } from '../emit/emitted.ts';
import { emitGrpcClient } from '../emit/grpcClient.ts';
import type { Instant } from '../lib/time.ts';
import type { Mesh, Service, ServiceKey } from '../model/mesh.ts';
import { planProxy } from '../plan/planProxy.ts';
import type { Endpoint, EndpointTable, ProxyPlan } from '../plan/proxyPlan.ts';
import type { Revoked } from '../plan/revoked.ts';
import { planKey, type Sidecar } from './sidecar.ts';

/** What one sidecar is to do, with the resources that say so. */
export type Planned = {
  readonly plan: ProxyPlan;
  readonly service: Service | undefined;
  readonly at: Instant;
  readonly emitted: readonly Emitted[];
  /** What is not in it. */
  readonly faults: readonly Fault[];
  /** Whom it calls, and the addresses that it was made of. */
  readonly upstreams: ReadonlyMap<ServiceKey, readonly Endpoint[] | undefined>;
};

/** The same for all sidecars planned at one moment; alike sidecars share a plan. */
export type Moment = {
  readonly mesh: Mesh;
  readonly now: Instant;
  readonly endpoints: () => EndpointTable;
  readonly revoked: Revoked;
  readonly plans: Map<string, Planned>;
};

/** `undefined` if the mesh has no such service. */
export const planOf = (
  sidecar: Sidecar,
  { mesh, now, endpoints: live, revoked, plans }: Moment,
): Planned | undefined => {
  const { ref, client } = sidecar;
  const key = planKey(sidecar);
  const endpoints = live();
  const known = plans.get(key);
  if (known !== undefined && isMadeOf(known, endpoints)) return known;
  const plan = planProxy(mesh, now, ref, endpoints, revoked);
  if (plan === undefined) return undefined;
  const planned: Planned = {
    plan,
    service: mesh.services.get(ref.service),
    at: now,
    ...(client === 'grpc' ? { emitted: emitGrpcClient(plan), faults: [] } : emitParts(plan)),
    upstreams: addressesOf(plan, endpoints),
  };
  plans.set(key, planned);
  return planned;
};

const addressesOf = ({ upstreams }: ProxyPlan, endpoints: EndpointTable): Planned['upstreams'] => {
  const addresses = new Map<ServiceKey, readonly Endpoint[] | undefined>();
  for (const { service } of upstreams) addresses.set(service, endpoints.get(service));
  return addresses;
};

const isMadeOf = ({ upstreams }: Planned, endpoints: EndpointTable): boolean => {
  let same = true;
  upstreams.forEach((before, service) => {
    if (endpoints.get(service) !== before) same = false;
  });
  return same;
};

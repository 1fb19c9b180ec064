import { keepNewest } from '../lib/newest.ts';
import type { Instant } from '../lib/time.ts';
import { type Mesh, ownDomains, type Port, type Service } from '../model/mesh.ts';
import { planInbound } from './inbound.ts';
import { planOutbound, visiblePorts } from './outbound.ts';
import type { EndpointTable, Outbound, ProxyPlan, ProxyRef, Upstream } from './proxyPlan.ts';
import { NOTHING_REVOKED, type Revoked } from './revoked.ts';
import { planUpstream } from './upstream.ts';

/**
 * What one sidecar must do now. Pure: the same mesh, moment, sidecar, endpoints and revocations give the same plan.
 * `undefined` if the mesh has no such service.
 */
export const planProxy = (
  mesh: Mesh,
  now: Instant,
  ref: ProxyRef,
  endpoints: EndpointTable,
  revoked: Revoked = NOTHING_REVOKED,
): ProxyPlan | undefined => {
  const service = mesh.services.get(ref.service);
  if (service === undefined) return undefined;
  const found = targetsOf(mesh, service);
  const upstreams = found.map(({ target, port }) => planUpstream(target, port, now, endpoints));
  return {
    service: service.key,
    identity: service.identity,
    trustDomain: mesh.trustDomain,
    ownDomains: ownDomains(mesh),
    federated: mesh.trust.length > 0,
    certificateTtl: mesh.certificates.ttl,
    inbound: service.ports.map((port) => planInbound(service, port, now, ref, { revoked, own: ownDomains(mesh) })),
    upstreams,
    outbound: outboundOf(mesh, service, ref, found, upstreams),
  };
};

type Target = { readonly target: Service; readonly port: Port };

const targets = new WeakMap<Mesh, Map<Service, readonly Target[]>>();

// Once per mesh: an address that comes or goes has all callers planned anew, and they call the same ports.
const targetsOf = (mesh: Mesh, service: Service): readonly Target[] => {
  const ofMesh = targets.get(mesh) ?? new Map<Service, readonly Target[]>();
  targets.set(mesh, ofMesh);
  const known = ofMesh.get(service);
  if (known !== undefined) return known;
  const found = visiblePorts(mesh, service).flatMap((key) => {
    const colon = key.lastIndexOf(':');
    const target = mesh.services.get(key.slice(0, colon) as typeof service.key);
    const number = Number(key.slice(colon + 1));
    const port = target?.ports.find((candidate) => candidate.port === number);
    return target === undefined || port === undefined ? [] : [{ target, port }];
  });
  ofMesh.set(service, found);
  return found;
};

// A sidecar names its own outbound port, as often anew as it likes.
const MOST = 10_000;

type Made = { readonly ports: readonly Port[]; readonly outbound: Outbound };

const made = new WeakMap<Service, Map<string, Made>>();

// The same object while the service and the declared ports of its upstreams are, wherever their endpoints go: so it is
// encoded once.
const outboundOf = (
  mesh: Mesh,
  service: Service,
  ref: ProxyRef,
  found: readonly Target[],
  upstreams: readonly Upstream[],
): Outbound => {
  const byListener = made.get(service) ?? new Map<string, Made>();
  made.set(service, byListener);
  const listener = `${ref.outbound.host} ${ref.outbound.port}`;
  const known = byListener.get(listener);
  if (known?.ports.length === found.length && known.ports.every((one, at) => one === found[at]?.port))
    return known.outbound;
  const outbound = planOutbound(mesh, service, ref, upstreams);
  const ports = found.map(({ port }) => port);
  keepNewest(byListener, listener, { ports, outbound }, MOST);
  return outbound;
};

import { mtlsAt } from '../features/mtls/plan.ts';
import type { Instant } from '../lib/time.ts';
import type { Port, Service } from '../model/mesh.ts';
import type { Endpoint, EndpointTable, MtlsMode, Upstream } from './proxyPlan.ts';

const NONE: readonly Endpoint[] = Object.freeze([]);
const planned = new WeakMap<
  Port,
  { readonly mode: MtlsMode; readonly at: readonly Endpoint[]; readonly upstream: Upstream }
>();

/**
 * One port of a service as its callers see it. Callers share the value: while neither the mesh, the mode nor the
 * endpoints change it is the same object, so that what is emitted for it is encoded once.
 */
export const planUpstream = (service: Service, port: Port, now: Instant, endpoints: EndpointTable): Upstream => {
  const mode = mtlsAt(port.mtls, now);
  const tls = mode !== 'disable';
  const at = service.endpoints.kind === 'static' ? service.endpoints.endpoints : (endpoints.get(service.key) ?? NONE);
  const known = planned.get(port);
  if (known !== undefined && known.mode === mode && known.at === at) return known.upstream;
  const upstream: Upstream = Object.freeze({
    service: service.key,
    namespace: service.namespace,
    name: service.name,
    portName: port.name,
    port: port.port,
    protocol: port.protocol,
    identity: service.identity,
    tls,
    endpoints: at
      // An endpoint without a sidecar can be called only while plaintext may be: from the deadline on it is none.
      .filter((endpoint) => mode !== 'strict' || endpoint.mtls !== 'disable')
      .map((endpoint) => ({
        address: endpoint.address,
        port: endpoint.ports[port.name] ?? port.port,
        tls: tls && endpoint.mtls !== 'disable',
      })),
    declared: port,
    location: port.location,
  });
  planned.set(port, { mode, at, upstream });
  return upstream;
};

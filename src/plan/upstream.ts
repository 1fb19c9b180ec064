import { mtlsAt } from '../features/mtls/plan.ts';
import { isSamePlace } from '../lib/diagnostic.ts';
import type { Instant } from '../lib/time.ts';
import type { Port, Service } from '../model/mesh.ts';
import { declaredOf } from './declared.ts';
import type { Declared, Endpoint, EndpointTable, MtlsMode, Upstream } from './proxyPlan.ts';

const NONE: readonly Endpoint[] = Object.freeze([]);
const planned = new WeakMap<
  Declared,
  { readonly mode: MtlsMode; readonly at: readonly Endpoint[]; readonly upstream: Upstream }
>();

/**
 * One port of a service as its callers see it. Callers share the value: while neither what is declared, the mode nor the
 * endpoints change it is the same object, so that what is emitted for it is encoded once.
 */
export const planUpstream = (service: Service, port: Port, now: Instant, endpoints: EndpointTable): Upstream => {
  const mode = mtlsAt(port.mtls, now);
  const tls = mode !== 'disable';
  const at = service.endpoints.kind === 'static' ? service.endpoints.endpoints : (endpoints.get(service.key) ?? NONE);
  const declared = declaredOf(service, port);
  const known = planned.get(declared);
  const isSame = known !== undefined && known.mode === mode && known.at === at;
  if (isSame && isSamePlace(known.upstream.location, port.location)) return known.upstream;
  const upstream: Upstream = Object.freeze({
    ...declared,
    tls,
    endpoints: isSame ? known.upstream.endpoints : endpointsOf(at, port, mode),
    declared,
    location: port.location,
  });
  planned.set(declared, { mode, at, upstream });
  return upstream;
};

const endpointsOf = (at: readonly Endpoint[], port: Port, mode: MtlsMode): Upstream['endpoints'] =>
  at
    // An endpoint without a sidecar can be called only while plaintext may be: from the deadline on it is none.
    .filter((endpoint) => mode !== 'strict' || endpoint.mtls !== 'disable')
    .map((endpoint) => ({
      address: endpoint.address,
      port: endpoint.ports[port.name] ?? port.port,
      tls: mode !== 'disable' && endpoint.mtls !== 'disable',
    }));

import type { Mesh, Service } from '../model/mesh.ts';
import type { Outbound, ProxyRef, Upstream, UpstreamKey } from './proxyPlan.ts';
import { mayCall } from './reach.ts';

/** The ports that a service is told about: what some allow rule lets it call, and what it names in `uses`. */
export const visiblePorts = (mesh: Mesh, service: Service): readonly UpstreamKey[] => {
  const used = service.uses.map((use): UpstreamKey => `${use.service}:${use.port}`);
  return [...new Set([...mayCall(mesh, service), ...used])].sort();
};

/** How the service's app reaches its upstreams: by HTTP name on the shared port, or by a local port from `uses`. */
export const planOutbound = (mesh: Mesh, service: Service, ref: ProxyRef, upstreams: readonly Upstream[]): Outbound => {
  const byKey = new Map(upstreams.map((upstream) => [`${upstream.service}:${upstream.port}`, upstream]));
  return {
    listen: ref.outbound,
    routes: upstreams
      .filter((upstream) => upstream.protocol !== 'tcp')
      .map((upstream) => ({
        hosts: hostsOf(upstream, service.namespace, isDefaultPort(mesh, upstream)),
        upstream: `${upstream.service}:${upstream.port}`,
      })),
    local: service.uses.flatMap((use) => {
      const upstream = byKey.get(`${use.service}:${use.port}`);
      if (upstream === undefined || use.localPort === undefined) return [];
      return [
        {
          listen: { host: ref.outbound.host, port: use.localPort },
          protocol: upstream.protocol,
          upstream: `${use.service}:${use.port}` as const,
          location: use.location,
        },
      ];
    }),
  };
};

// `NAME` alone only within the namespace; without `:PORT` only the default port answers.
const hostsOf = (upstream: Upstream, from: string, isDefault: boolean): readonly string[] => {
  const qualified = `${upstream.name}.${upstream.namespace}`;
  const names = [...(upstream.namespace === from ? [upstream.name] : []), qualified, `${qualified}.mesh`];
  return names.flatMap((name) => [...(isDefault ? [name] : []), `${name}:${upstream.port}`]);
};

// The only HTTP port, or the one called `http`.
const isDefaultPort = (mesh: Mesh, upstream: Upstream): boolean => {
  const http = mesh.services.get(upstream.service)?.ports.filter((port) => port.protocol !== 'tcp') ?? [];
  return http.length === 1 || upstream.portName === 'http';
};

import { sourceMatches, writtenFor } from '../features/authorization/plan.ts';
import { type Mesh, ownDomains, type Service } from '../model/mesh.ts';
import type { Principal, Source } from '../model/rule.ts';
import { namesOf, namespacePrefix, type OwnDomains, trustDomainId } from '../spiffe/spiffeId.ts';
import type { UpstreamKey } from './proxyPlan.ts';

/** Which ports some allow rule opens to whom, looked up by the widest thing that the rule names. */
type Reach = {
  /** By SPIFFE ID, by namespace prefix, or by the trust domain's ID for rules that name neither. */
  readonly by: ReadonlyMap<string, readonly { readonly source: Source; readonly target: UpstreamKey }[]>;
};

const reaches = new WeakMap<Mesh, Reach>();

/** The ports that some allow rule (ended ones too) opens to this service's identity. Once per mesh O(rules). */
export const mayCall = (mesh: Mesh, service: Service): readonly UpstreamKey[] => {
  const reach = reachOf(mesh);
  const own = ownDomains(mesh);
  const keys = [
    service.identity,
    namespacePrefix(mesh.trustDomain, service.namespace),
    trustDomainId(mesh.trustDomain),
  ];
  return keys
    .flatMap((key) => reach.by.get(key) ?? [])
    .filter(({ source }) => sourceMatches(source, service.identity, { ownDomains: own, action: 'allow' }))
    .map(({ target }) => target);
};

/** Finds beforehand what the first plan of a mesh needs: in a new process that takes as long as some forty plans. */
export const prepareReach = (mesh: Mesh): void => void reachOf(mesh);

const reachOf = (mesh: Mesh): Reach => {
  const reach = reaches.get(mesh) ?? buildReach(mesh);
  reaches.set(mesh, reach);
  return reach;
};

const buildReach = (mesh: Mesh): Reach => {
  const by = new Map<string, { source: Source; target: UpstreamKey }[]>();
  const own = ownDomains(mesh);
  for (const service of mesh.services.values()) {
    for (const port of service.ports) {
      for (const source of writtenFor(service, port).flatMap((rule) => rule.from)) {
        for (const key of keysOf(mesh, own, source)) {
          const list = by.get(key);
          const entry = { source, target: `${service.key}:${port.port}` as const };
          if (list === undefined) by.set(key, [entry]);
          else list.push(entry);
        }
      }
    }
  }
  return { by };
};

const keysOf = (mesh: Mesh, own: OwnDomains, source: Source): readonly string[] => {
  if (source.kind === 'anyone' || source.principals === undefined) return [trustDomainId(mesh.trustDomain)];
  return source.principals.flatMap((principal) => keysOfPrincipal(mesh, own, principal));
};

// Callers are looked up by their identities in the mesh's own trust domain, which a rule may name by an alias.
const keysOfPrincipal = (mesh: Mesh, own: OwnDomains, principal: Principal): readonly string[] => {
  if (principal.kind === 'id') return namesOf(principal.id, own);
  if (principal.kind === 'namespace') return [namespacePrefix(mesh.trustDomain, principal.namespace)];
  return [trustDomainId(mesh.trustDomain)];
};

import { type Mesh, ownDomains } from '../model/mesh.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import type { Fleet } from './fleet.ts';
import type { MeshRefusal } from './meshSource.ts';

/** What a rename waits for. */
export type Renaming = {
  readonly fleet: Pick<Fleet, 'members'>;
  /** Plans of the served mesh are still being made for somebody. */
  readonly planning: () => boolean;
  /** Why the authority cannot issue under this name. */
  readonly fault: (name: TrustDomain) => string | undefined;
  /** Instances that were there before the start, in the first minute after it, and are not back yet. */
  readonly awaited: () => readonly string[];
};

/**
 * Whether the mesh may change its trust domain. All names change with it, so first every sidecar must take both: the new
 * name is an alias in the mesh that is served, and the old one stays as an alias for those who still show it.
 */
export const refuseRename = (next: Mesh, served: Mesh, renaming: Renaming): MeshRefusal | undefined => {
  const [from, to] = [served.trustDomain, next.trustDomain];
  if (from === to) return undefined;
  const what = `mesh.trustDomain was ${from} and is ${to}`;
  if (!ownDomains(served).includes(to))
    return {
      message: `${what}: first add ${to} to mesh.trustDomainAliases and save, so that every sidecar knows both names; another mesh needs another data directory`,
      again: false,
    };
  if (!ownDomains(next).includes(from))
    return {
      message: `${what}: keep ${from} in mesh.trustDomainAliases until every sidecar holds a certificate of ${to}`,
      again: false,
    };
  const fault = renaming.fault(to);
  if (fault !== undefined)
    return { message: `${what}: ${fault}; first import a chain that permits both names`, again: false };
  const late = lateOf(renaming);
  if (late === undefined) return undefined;
  return { message: `${what}, which waits until every sidecar knows both names: ${late}`, again: true };
};

const lateOf = ({ fleet, planning, awaited }: Omit<Renaming, 'fault'>): string | undefined => {
  const open = fleet.members().flatMap(({ sidecar, record }) => (record.progress === 'settled' ? [] : [sidecar.node]));
  const [first, ...more] = [...open, ...awaited()];
  if (first !== undefined) return more.length === 0 ? first : `${first} and ${more.length} more`;
  return planning() ? 'their configuration is being made' : undefined;
};

import { rulesFor, sourceMatches } from '../features/authorization/plan.ts';
import type { RevokedCertificate } from '../features/revocation/plan.ts';
import type { Instant } from '../lib/time.ts';
import { type Mesh, ownDomains, type Port, type Service } from '../model/mesh.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffeId.ts';
import type { UpstreamKey } from './proxyPlan.ts';

/** What is withdrawn besides what mesh.yaml says. */
export type Revoked = {
  /** Every one that servers are to refuse; whoever keeps them says when one leaves, for plans cannot judge the clock. */
  readonly certificates: readonly RevokedCertificate[];
  /** Ports whose connections were to be cut, and when last. Never forgotten: that would cut them once more. */
  readonly cuts: ReadonlyMap<UpstreamKey, Instant>;
};

export const NOTHING_REVOKED: Revoked = Object.freeze({ certificates: Object.freeze([]), cuts: new Map() });

/**
 * May some allow rule (an ended one too) of this port admit the identity? Only there must its certificates be refused: elsewhere they
 * are anyway. Where nobody proves an identity there is nothing to refuse them by.
 */
export const mayAdmit = (service: Service, port: Port, id: SpiffeId, own: readonly TrustDomain[]): boolean => {
  if (port.mtls.mode === 'disable') return false;
  const { allow } = rulesFor(service, port);
  const within = { ownDomains: own, action: 'allow' } as const;
  return allow === 'any' || allow.some((rule) => rule.from.some((source) => sourceMatches(source, id, within)));
};

/** Every port at which the identity may be admitted. */
export const portsAdmitting = (mesh: Mesh, id: SpiffeId): readonly { service: Service; port: Port }[] =>
  [...mesh.services.values()].flatMap((service) =>
    service.ports.filter((port) => mayAdmit(service, port, id, ownDomains(mesh))).map((port) => ({ service, port })),
  );

/** The digests that one port has to refuse, in one order, so that equal sets are equal bytes. */
export const digestsFor = (
  service: Service,
  port: Port,
  { certificates }: Revoked,
  own: readonly TrustDomain[],
): readonly string[] => {
  if (certificates.length === 0) return NONE;
  const admitted = new Map<SpiffeId, boolean>();
  const concerns = (id: SpiffeId): boolean => {
    const known = admitted.get(id) ?? mayAdmit(service, port, id, own);
    admitted.set(id, known);
    return known;
  };
  return [...new Set(certificates.filter(({ id }) => concerns(id)).map(({ digest }) => digest))].sort();
};

const NONE: readonly string[] = Object.freeze([]);

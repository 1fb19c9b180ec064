import type { IssuedCertificate } from '../../ca/issued.ts';
import { leavesAt } from '../../features/revocation/plan.ts';
import { showLocation } from '../../lib/diagnostic.ts';
import { type Instant, iso } from '../../lib/time.ts';
import type { Mesh, ServiceKey } from '../../model/mesh.ts';
import { visiblePorts } from '../../plan/outbound.ts';
import type { UpstreamKey } from '../../plan/proxyPlan.ts';
import { pathOfId } from '../../spiffe/spiffeId.ts';
import type { Claim, TokenRecord } from '../joinTokens.ts';
import type { RevocationAct } from './act.ts';
import type { Refusing } from './refusedBy.ts';

/** What `signet ca revoke -o json` prints. */
export type RevocationAnswer = {
  /** `null` where nothing was done: `--dry-run`. */
  readonly act: string | null;
  readonly at: string | null;
  /** The serial, or the SPIFFE ID. */
  readonly what: string;
  readonly reason: string | null;
  readonly certificates: readonly RevokedAnswer[];
  /** Services that have these identities. */
  readonly services: readonly string[];
  /** Ids of the join tokens that went with the identity. */
  readonly tokens: readonly string[];
  /** Tokens that the instances joined with and that let more instances join. */
  readonly openTokens: readonly { readonly id: string; readonly service: string }[];
  /** Services whose endpoints stand in mesh.yaml, which cannot be withdrawn from here. */
  readonly fixedEndpoints: readonly { readonly service: string; readonly line: string }[];
  /** Ports whose connections end, and whose they are. */
  readonly ends: readonly { readonly port: string; readonly callers: readonly string[] }[];
  readonly refusing: RefusingAnswer;
};

export type RevokedAnswer = {
  readonly serial: string;
  readonly identity: string;
  readonly node: string;
  readonly notAfter: string;
  /** Until when servers refuse it by its digest at least. */
  readonly refusedUntil: string;
};

export type RefusingAnswer = {
  readonly of: number;
  readonly by: number;
  readonly waiting: Refusing['waiting'];
  readonly away: readonly { readonly node: string; readonly lastSeen: string }[];
};

export const refusingAnswer = ({ of, by, waiting, away }: Refusing): RefusingAnswer => ({
  of,
  by,
  waiting,
  away: away.map(({ node, lastSeen }) => ({ node, lastSeen: iso(lastSeen) })),
});

export const revokedAnswer = (one: IssuedCertificate, mesh: Mesh): RevokedAnswer => ({
  serial: one.serial,
  identity: one.id,
  node: one.instance,
  notAfter: iso(one.notAfter),
  refusedUntil: iso(leavesAt(one, mesh.certificates.ttl)),
});

export type Around = {
  readonly mesh: Mesh;
  readonly now: Instant;
  readonly claims: readonly Claim[];
  readonly token: (id: string) => TokenRecord | undefined;
  /** Ports that may admit the identities. */
  readonly ports: readonly UpstreamKey[];
  readonly cut: boolean;
};

/** What concerns others than the one who is revoked. */
export const sideEffects = (
  { what, certificates, tokens }: Pick<RevocationAct, 'what' | 'certificates' | 'tokens'>,
  { mesh, now, claims, token, ports, cut }: Around,
): Pick<RevocationAnswer, 'services' | 'openTokens' | 'fixedEndpoints' | 'ends'> => {
  // By the path alone: the mesh may have another name than when they were issued.
  const paths = new Set([what, ...certificates.map(({ id }) => id)].map((id) => id.replace(/^spiffe:\/\/[^/]+/, '')));
  const services = [...mesh.services.values()].filter(({ identity }) => paths.has(pathOfId(identity)));
  const nodes = new Set(certificates.map(({ instance }) => instance));
  const joinedBy = new Set(claims.filter(({ node }) => nodes.has(node)).map((claim) => claim.token));
  const isOpen = (record: TokenRecord): boolean =>
    record.revokedAt === undefined &&
    !tokens.includes(record.id) &&
    record.joined < record.uses &&
    record.expires > now;
  const ending = ports.filter((key) => cut || isTcp(mesh, key));
  const callers = callersOf(mesh, ending);
  return {
    services: services.map(({ key }) => key),
    openTokens: [...joinedBy].flatMap((id) => {
      const record = token(id);
      return record !== undefined && isOpen(record) ? [{ id, service: record.service }] : [];
    }),
    fixedEndpoints: services
      .filter(({ endpoints, ports }) => endpoints.kind === 'static' && ports.length > 0)
      .map(({ key, location }) => ({ service: key, line: showLocation(location) })),
    ends: ending.map((port) => ({ port, callers: callers.get(port) ?? [] })),
  };
};

// Another list in a tcp listener is another filter chain: Envoy drains the old one, whoever its connections are of.
const isTcp = (mesh: Mesh, key: UpstreamKey): boolean => {
  const colon = key.lastIndexOf(':');
  const service = mesh.services.get(key.slice(0, colon) as ServiceKey);
  return service?.ports.find(({ port }) => String(port) === key.slice(colon + 1))?.protocol === 'tcp';
};

const callersOf = (mesh: Mesh, ports: readonly UpstreamKey[]): ReadonlyMap<UpstreamKey, readonly ServiceKey[]> => {
  const callers = new Map(ports.map((port) => [port, [] as ServiceKey[]]));
  if (ports.length === 0) return callers;
  for (const service of mesh.services.values()) {
    for (const port of visiblePorts(mesh, service)) callers.get(port)?.push(service.key);
  }
  return callers;
};

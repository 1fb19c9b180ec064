import { isOver, refusedPaths, rulesFor } from '../features/authorization/plan.ts';
import { mtlsAt } from '../features/mtls/plan.ts';
import { keepNewest } from '../lib/newest.ts';
import type { Instant } from '../lib/time.ts';
import type { Port, Service } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import type { TrustDomain } from '../spiffe/spiffeId.ts';
import type { Access, InboundPort, ProxyRef } from './proxyPlan.ts';
import { digestsFor, type Revoked } from './revoked.ts';

// A sidecar names its own address, as often anew as it likes.
const MOST = 10_000;

type Ruled = Omit<Access, 'revoked'>;

const accesses = new WeakMap<Port, Ruled>();
const planned = new WeakMap<Port, Map<string, InboundPort>>();

/**
 * What stands before one declared port: where it listens, whom it admits, where calls go then. While neither the
 * service nor what time makes of it changes it is the same object, so that it is encoded once.
 */
export const planInbound = (
  service: Service,
  port: Port,
  now: Instant,
  ref: ProxyRef,
  { revoked, own }: { readonly revoked: Revoked; readonly own: readonly TrustDomain[] },
): InboundPort => {
  const host = ref.address ?? '0.0.0.0';
  const mtls = mtlsAt(port.mtls, now);
  const access = sharedAccess(port, {
    ...planAccess(service, port, now),
    revoked: digestsFor(service, port, revoked, own),
  });
  const cut = revoked.cuts.get(`${service.key}:${port.port}`);
  const byHost = planned.get(port) ?? new Map<string, InboundPort>();
  planned.set(port, byHost);
  const known = byHost.get(host);
  if (known !== undefined && known.mtls === mtls && known.cut === cut && known.access === access) return known;
  const inbound: InboundPort = {
    name: port.name,
    bind: { host, port: port.port },
    port: port.port,
    protocol: port.protocol,
    target: port.target,
    mtls,
    access,
    cut,
    location: port.location,
  };
  keepNewest(byHost, host, inbound, MOST);
  return inbound;
};

const shared = new WeakMap<Port, Access>();

// Whatever the address: what is behind the listener is encoded once for all instances of a service.
const sharedAccess = (port: Port, access: Access): Access => {
  const known = shared.get(port);
  if (known !== undefined && isSame(known, access)) return known;
  shared.set(port, access);
  return access;
};

// A TCP rule cannot carry a moment into Envoy, so an ended one leaves the plan. An HTTP rule ends inside Envoy and
// stays, byte for byte: its end is not a change. Either way the port remains closed to everybody else.
const planAccess = (service: Service, port: Port, now: Instant): Ruled => {
  const access = accesses.get(port) ?? { ...rulesFor(service, port), refusedPaths: refusedPaths(service, port) };
  accesses.set(port, access);
  if (port.protocol !== 'tcp') return access;
  const live = (rules: readonly Rule[]): readonly Rule[] => rules.filter((rule) => !isOver(rule, now));
  return { ...access, deny: live(access.deny), allow: access.allow === 'any' ? 'any' : live(access.allow) };
};

const isSame = (a: Access, b: Access): boolean =>
  sameRules(a.deny, b.deny) && sameRules(a.allow, b.allow) && sameDigests(a.revoked, b.revoked);

const sameDigests = (a: Access['revoked'], b: Access['revoked']): boolean =>
  a.length === b.length && a.every((digest, at) => digest === b[at]);

const sameRules = (a: Access['allow'], b: Access['allow']): boolean =>
  a === b || (a !== 'any' && b !== 'any' && a.length === b.length && a.every((rule, at) => rule === b[at]));

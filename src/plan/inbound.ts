import { isOver, refusedPaths, rulesFor } from '../features/authorization/plan.ts';
import { mtlsAt } from '../features/mtls/plan.ts';
import { keepNewest } from '../lib/newest.ts';
import type { Instant } from '../lib/time.ts';
import type { Port, Service } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import type { Access, InboundPort, ProxyRef } from './proxyPlan.ts';

// A sidecar names its own address, as often anew as it likes.
const MOST = 10_000;

const accesses = new WeakMap<Port, Access>();
const planned = new WeakMap<Port, Map<string, InboundPort>>();

/**
 * What stands before one declared port: where it listens, whom it admits, where calls go then. While neither the
 * service nor what time makes of it changes it is the same object, so that it is encoded once.
 */
export const planInbound = (service: Service, port: Port, now: Instant, ref: ProxyRef): InboundPort => {
  const host = ref.address ?? '0.0.0.0';
  const mtls = mtlsAt(port.mtls, now);
  const access = planAccess(service, port, now);
  const byHost = planned.get(port) ?? new Map<string, InboundPort>();
  planned.set(port, byHost);
  const known = byHost.get(host);
  if (known !== undefined && known.mtls === mtls && isSame(known.access, access)) return known;
  const inbound: InboundPort = {
    name: port.name,
    bind: { host, port: port.port },
    port: port.port,
    protocol: port.protocol,
    target: port.target,
    mtls,
    access,
    location: port.location,
  };
  keepNewest(byHost, host, inbound, MOST);
  return inbound;
};

// A TCP rule cannot carry a moment into Envoy, so an ended one leaves the plan. An HTTP rule ends inside Envoy and
// stays, byte for byte: its end is not a change. Either way the port remains closed to everybody else.
const planAccess = (service: Service, port: Port, now: Instant): Access => {
  const access = accesses.get(port) ?? { ...rulesFor(service, port), refusedPaths: refusedPaths(service, port) };
  accesses.set(port, access);
  if (port.protocol !== 'tcp') return access;
  const live = (rules: readonly Rule[]): readonly Rule[] => rules.filter((rule) => !isOver(rule, now));
  return { ...access, deny: live(access.deny), allow: access.allow === 'any' ? 'any' : live(access.allow) };
};

const isSame = (a: Access, b: Access): boolean => sameRules(a.deny, b.deny) && sameRules(a.allow, b.allow);

const sameRules = (a: Access['allow'], b: Access['allow']): boolean =>
  a === b || (a !== 'any' && b !== 'any' && a.length === b.length && a.every((rule, at) => rule === b[at]));

import { isOver, refusedPaths, rulesFor } from '../features/authorization/plan.ts';
import { mtlsAt } from '../features/mtls/plan.ts';
import type { Instant } from '../lib/time.ts';
import type { Port, Service } from '../model/mesh.ts';
import type { Rule } from '../model/rule.ts';
import type { Access, InboundPort, ProxyRef } from './proxyPlan.ts';

/** What stands before one declared port: where it listens, whom it admits, where calls go then. */
export const planInbound = (service: Service, port: Port, now: Instant, ref: ProxyRef): InboundPort => ({
  name: port.name,
  bind: { host: ref.address ?? '0.0.0.0', port: port.port },
  port: port.port,
  protocol: port.protocol,
  target: port.target,
  mtls: mtlsAt(port.mtls, now),
  access: planAccess(service, port, now),
  location: port.location,
});

// A TCP rule cannot carry a moment into Envoy, so an ended one leaves the plan. An HTTP rule ends inside Envoy and
// stays, byte for byte: its end is not a change. Either way the port remains closed to everybody else.
const planAccess = (service: Service, port: Port, now: Instant): Access => {
  const { deny, allow } = rulesFor(service, port);
  const refused = refusedPaths(service, port);
  if (port.protocol !== 'tcp') return { deny, allow, refusedPaths: refused };
  const live = (rules: readonly Rule[]): readonly Rule[] => rules.filter((rule) => !isOver(rule, now));
  return { deny: live(deny), allow: allow === 'any' ? allow : live(allow), refusedPaths: refused };
};

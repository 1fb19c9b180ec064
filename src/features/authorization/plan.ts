import type { Instant } from '../../lib/time.ts';
import type { PathRisk, Port, Service } from '../../model/mesh.ts';
import type { Operation, Rule } from '../../model/rule.ts';
import { hasHttpFields } from './rule.ts';

export { sourceMatches } from './rule.ts';

/** The rules before one port, each narrowed to the operations that concern it; those hold no `ports` any more. */
export type PortRules = {
  readonly deny: readonly Rule[];
  /** `'any'` where no allow rule is written for the port and the file says `authorization: allow`. */
  readonly allow: readonly Rule[] | 'any';
};

/** A rule's `until` has passed. Envoy's condition is `request.time < until`, so at that very moment it is over. */
export const isOver = (rule: Rule, now: Instant): boolean => rule.until !== undefined && now >= rule.until;

/**
 * The allow rules that close a port to everybody else, narrowed to it. Ended ones still close, so that a grant that
 * runs out never opens a port.
 */
export const writtenFor = (service: Service, port: Port): readonly Rule[] => narrowed(service, port, 'allow');

/** Everything that decides over the calls of one port. Ended rules stay in it: see `isOver`. */
export const rulesFor = (service: Service, port: Port): PortRules => {
  const allow = writtenFor(service, port);
  return {
    deny: narrowed(service, port, 'deny'),
    allow: allow.length === 0 && port.authorization.verdict === 'allow' ? 'any' : allow,
  };
};

/** Does one of these (narrowed) rules look at the path? */
export const hasPathRule = (rules: readonly Rule[]): boolean =>
  rules.some((rule) => rule.to.some(({ paths, not }) => paths !== undefined || not?.paths !== undefined));

const RISKS: readonly PathRisk[] = Object.freeze([';', '%2F', '%5C', '%25', 'control']);

/** Spellings of a path that are answered 400 before this port: none where no path rule is written for it. */
export const refusedPaths = (service: Service, port: Port): readonly PathRisk[] => {
  if (port.protocol === 'tcp') return [];
  const pathRules = hasPathRule(narrowed(service, port, 'deny')) || hasPathRule(writtenFor(service, port));
  return pathRules ? RISKS.filter((risk) => !port.pathsMayHold.includes(risk)) : [];
};

type Narrowed = Readonly<Record<Rule['action'], readonly Rule[]>>;

const known = new WeakMap<Port, { readonly service: Service; readonly rules: Narrowed }>();

// Asked for by the port's own plan and by everybody who may call it.
const narrowed = (service: Service, port: Port, action: Rule['action']): readonly Rule[] => {
  const before = known.get(port);
  if (before?.service === service) return before.rules[action];
  const rules = { allow: narrow(service, port, 'allow'), deny: narrow(service, port, 'deny') };
  known.set(port, { service, rules });
  return rules[action];
};

const narrow = (service: Service, port: Port, action: Rule['action']): readonly Rule[] =>
  service.rules.flatMap((rule) => {
    if (rule.action !== action) return [];
    const to = rule.to.filter((operation) => operationConcerns(operation, port)).map(withoutPorts);
    return to.length === 0 ? [] : [{ ...rule, to }];
  });

const operationConcerns = (operation: Operation, port: Port): boolean => {
  if (operation.not?.ports?.includes(port.port) === true) return false;
  if (port.protocol === 'tcp' && hasHttpFields(operation)) return false;
  return operation.ports === undefined || operation.ports.includes(port.port);
};

// `ports` has done its work; `not: { ports }` alone leaves an empty `not` behind, which says nothing.
const withoutPorts = ({ ports: _ports, not, ...rest }: Operation): Operation => {
  if (not === undefined) return rest;
  const { ports: _notPorts, ...restNot } = not;
  return Object.keys(restNot).length === 0 ? rest : { ...rest, not: restNot };
};

import { didYouMean } from '../../lib/suggest.ts';
import type { DeclaredService } from '../declared.ts';
import { portsCalled } from '../outline.ts';
import type { Report } from '../places.ts';
import { type DeclaredOperation, type DeclaredRule, isHttpOnly, servicesIn, type Written } from '../rules.ts';
import type { Check } from './check.ts';

/** Ports that rules name exist, and those that are named beside methods or paths carry HTTP. */
export const rulePorts: Check = (outline, report) => {
  for (const rule of outline.rules) {
    const services = servicesIn(rule.scope, outline.services.values());
    const whole = services.every(
      (service) => !service.portsUnread && service.ports.every(({ form }) => form !== undefined),
    );
    for (const operation of rule.to ?? []) {
      if (operation.kind === 'call') continue;
      for (const port of operation.ports ?? []) checkPort(services, whole, operation, port, report);
      for (const port of operation.not?.ports ?? []) checkExists(services, whole, port, report);
    }
    if (whole && rule.scope.kind === 'service') checkHolds(rule, rule.scope.service, report);
  }
};

const checkPort = (
  services: readonly DeclaredService[],
  whole: boolean,
  operation: DeclaredOperation,
  port: Written<string | number>,
  report: Report,
): void => {
  if (!checkExists(services, whole, port, report) || !isHttpOnly(operation)) return;
  const tcp = services.find((service) => portsCalled(service, port.text).some(({ form }) => form?.protocol === 'tcp'));
  if (tcp !== undefined)
    report({
      code: 'SIG0506',
      place: port.place,
      message: `port ${port.text} of ${tcp.key} is tcp, which has no methods or paths`,
      hint: 'give the port a rule of its own',
    });
};

const checkExists = (
  services: readonly DeclaredService[],
  whole: boolean,
  { text, place }: Written<string | number>,
  report: Report,
): boolean => {
  if (services.some((service) => portsCalled(service, text).length > 0)) return true;
  if (!whole) return false;
  const known = new Set(
    services.flatMap(({ ports }) => ports.flatMap(({ name }) => (name === undefined ? [] : [name]))),
  );
  const [only] = services.length === 1 ? services : [];
  const whose = only === undefined ? 'no service that this rule is for has a' : `${only.key} has no`;
  const hint =
    didYouMean(String(text), known) ??
    (only !== undefined && known.size > 0 ? `it has ${[...known].join(', ')}` : undefined);
  report({ code: 'SIG0505', place, message: `${whose} port ${text}`, hint });
  return false;
};

// A rule for a service that nothing can carry: it neither opens nor closes anything, which its writer should know.
const checkHolds = (rule: DeclaredRule, service: DeclaredService, report: Report): void => {
  const http = service.ports.some(({ form }) => form !== undefined && form.protocol !== 'tcp');
  const httpOnly =
    rule.to !== undefined &&
    rule.to.length > 0 &&
    rule.to.every((operation) => isHttpOnly(operation) && !namesPorts(operation));
  if (service.ports.length === 0 || (httpOnly && !http))
    report({
      code: 'SIG0511',
      place: rule.place,
      severity: 'warning',
      message: `this rule holds on no port: ${service.key} has ${service.ports.length === 0 ? 'none' : 'no HTTP port'}`,
    });
};

const namesPorts = (operation: DeclaredOperation): boolean =>
  operation.kind === 'object' && operation.ports !== undefined;

import type { DeclaredPort, DeclaredService } from '../declared.ts';
import { isPrivate } from '../forms/target.ts';
import { descend, type Report } from '../places.ts';
import type { Check } from './check.ts';

/** Ports are well-formed, told apart by number and by name, and lead to nobody but the service's own app. */
export const ports: Check = (outline, report) => {
  for (const service of outline.services.values()) {
    for (const port of service.ports) checkPort(port, report);
    checkTwins(service, report);
  }
};

const checkPort = ({ place, form, problem }: DeclaredPort, report: Report): void => {
  if (problem !== undefined) {
    const { key, ...rest } = problem;
    report({ ...rest, place: key === undefined ? place : descend(place, key) });
    return;
  }
  if (form === undefined) return;
  if (!isPrivate(form.target) && form.long?.insecureTarget !== true)
    report({
      code: 'SIG0407',
      place: form.long === undefined ? place : descend(place, 'target'),
      message: 'the target is not on loopback: whoever reaches it passes by the sidecar',
      hint: 'use 127.0.0.1 or unix:/PATH, or write insecureTarget: true in the long form',
    });
  const hold = form.long?.pathsMayHold;
  if (hold !== undefined && form.protocol === 'tcp')
    report({ code: 'SIG0418', place: descend(place, 'pathsMayHold'), at: 'key', message: 'a tcp port has no paths' });
  if (hold?.length === 0)
    report({
      code: 'SIG0210',
      place: descend(place, 'pathsMayHold'),
      message: 'an empty list says nothing',
      hint: 'leave it out',
    });
};

const checkTwins = (service: DeclaredService, report: Report): void => {
  const numbers = new Map<number, string>();
  const seen = new Set<string>();
  for (const { place, name, named, form } of service.ports) {
    if (form === undefined || name === undefined) continue;
    const twin = numbers.get(form.port);
    if (twin !== undefined)
      report({
        code: 'SIG0404',
        place: form.long === undefined ? place : descend(place, 'port'),
        message: `port ${form.port} is declared twice`,
        hint: `the other one is called ${twin}`,
      });
    else if (seen.has(name))
      report({
        code: 'SIG0405',
        place: named === 'name' ? descend(place, 'name') : place,
        message: `two ports are called ${name}`,
        ...(named === 'protocol' ? { hint: 'a list names ports by protocol; write a map of NAME: PORT' } : {}),
      });
    numbers.set(form.port, twin ?? name);
    seen.add(name);
  }
};

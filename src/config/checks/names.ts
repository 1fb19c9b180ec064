import type { DeclaredService } from '../declared.ts';
import { isName } from '../forms/name.ts';
import type { Place, Report } from '../places.ts';
import { descend } from '../places.ts';
import type { Check } from './check.ts';

/** Namespaces, services, identities and ports have DNS labels for names; some names mean something else already. */
export const names: Check = (outline, report) => {
  for (const namespace of Object.keys(outline.file.namespaces ?? {}))
    checkName(namespace, 'namespace', descend(outline.place, 'namespaces', namespace), 'key', report);
  for (const service of [...outline.services.values(), ...outline.repeated]) checkService(service, report);
};

// `anyone` is a caller without identity; `localhost` would take an app's own host from it.
const RESERVED: ReadonlySet<string> = new Set(['anyone', 'localhost']);

const checkService = ({ name, identity, spec, place, ports }: DeclaredService, report: Report): void => {
  checkName(name, 'service', place, 'key', report);
  if (spec.identity !== undefined) checkName(identity, 'identity', descend(place, 'identity'), 'value', report);
  for (const port of ports) {
    if (port.named === 'protocol' || port.name === undefined) continue;
    const at = port.named === 'key' ? port.place : descend(port.place, 'name');
    checkName(port.name, 'port', at, port.named === 'key' ? 'key' : 'value', report);
  }
  for (const port of ports)
    if (port.named === 'key' && port.form?.long?.name !== undefined)
      report({
        code: 'SIG0201',
        place: descend(port.place, 'name'),
        at: 'key',
        message: 'unknown key name',
        hint: `the key ${port.name} is the name`,
      });
};

const article = (kind: string): string => `${kind === 'identity' ? 'an' : 'a'} ${kind}`;

const checkName = (name: string, kind: string, place: Place, at: 'key' | 'value', report: Report): void => {
  const shown = name === '' ? 'nothing' : name.length > 80 ? `${name.slice(0, 80)}...` : name;
  if (!isName(name))
    report({
      code: 'SIG0206',
      place,
      at,
      message: `${shown} cannot name ${article(kind)}`,
      hint: 'a-z, 0-9 and - inside, at most 63',
    });
  else if ((kind === 'service' || kind === 'identity') && RESERVED.has(name))
    report({ code: 'SIG0207', place, at, message: `${name} is reserved and cannot name ${article(kind)}` });
  else if (kind === 'port' && /^[0-9]+$/.test(name))
    report({
      code: 'SIG0207',
      place,
      at,
      message: `${name} cannot name a port`,
      hint: 'a number always means the port of that number',
    });
};

import type { DeclaredService } from '../declared.ts';
import { isPortNumber } from '../forms/name.ts';
import type { Outline } from '../outline.ts';
import type { Place, Report } from '../places.ts';
import { resolveUse, writtenUses } from '../uses.ts';
import type { Check } from './check.ts';

/** What a service uses exists, is named once, and can be reached: a tcp upstream by a local port of its own. */
export const uses: Check = (outline, report) => {
  for (const service of outline.services.values()) checkService(outline, service, report);
};

type Seen = { readonly upstreams: Set<string>; readonly locals: Map<number, string> };

const checkService = (outline: Outline, service: DeclaredService, report: Report): void => {
  const seen: Seen = { upstreams: new Set(), locals: new Map() };
  for (const use of writtenUses(service)) {
    const found = resolveUse(outline, service, use.text);
    if (!found.ok) {
      if (found.error !== 'unknown') report({ ...found.error, place: use.place, at: use.at });
      continue;
    }
    const { service: upstream, port } = found.value;
    const key = `${upstream.key}:${port.form.port}`;
    if (seen.upstreams.has(key))
      report({ code: 'SIG0416', place: use.place, at: use.at, message: `${use.text} is used twice` });
    seen.upstreams.add(key);
    if (use.localPort !== undefined) checkLocal(service, use.localPort, use.text, use.place, seen, report);
    else if (port.form.protocol === 'tcp')
      report({
        code: 'SIG0414',
        place: use.place,
        at: use.at,
        message: `${use.text} is tcp and needs a local port`,
        hint: `write a map: ${use.text}: 9001`,
      });
  }
};

/** Default of `--outbound`. */
const OUTBOUND_PORT = 15_001;

const checkLocal = (
  service: DeclaredService,
  local: number,
  name: string,
  place: Place,
  seen: Seen,
  report: Report,
): void => {
  const twin = seen.locals.get(local);
  seen.locals.set(local, twin ?? name);
  const taken = service.ports.find(
    ({ form }) => form?.port === local || (form?.target.kind === 'tcp' && form.target.port === local),
  );
  if (!isPortNumber(local))
    report({ code: 'SIG0403', place, message: `${local} is not a port number`, hint: '1 to 65535' });
  else if (twin !== undefined)
    report({ code: 'SIG0415', place, message: `local port ${local} is already that of ${twin}` });
  else if (taken !== undefined)
    report({
      code: 'SIG0417',
      place,
      severity: 'warning',
      message: `local port ${local} is a port of ${service.name} itself`,
      hint: 'they clash on one address',
    });
  else if (local === OUTBOUND_PORT)
    report({
      code: 'SIG0417',
      place,
      severity: 'warning',
      message: `local port ${local} is the shared outbound port unless --outbound says otherwise`,
    });
};

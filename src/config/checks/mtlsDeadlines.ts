import type { MtlsSpec } from '../../features/mtls/spec.ts';
import { parseMoment } from '../forms/moment.ts';
import type { Outline } from '../outline.ts';
import { descend, type Place } from '../places.ts';
import type { Check } from './check.ts';

/** Permissive is a passage, not a place: it has an `until`. Nothing else has one. */
export const mtlsDeadlines: Check = (outline, report) => {
  for (const { spec, place } of everyMtls(outline)) {
    const { mode, until } = typeof spec === 'string' ? { mode: spec, until: undefined } : spec;
    const then = typeof spec === 'string' ? undefined : spec.then;
    if (mode === 'permissive' && until === undefined)
      report({
        code: 'SIG0302',
        place: typeof spec === 'string' ? place : descend(place, 'mode'),
        message: 'permissive needs an end',
        hint: '{ mode: permissive, until: 2027-06-30T00:00:00Z }',
      });
    if (mode !== 'permissive' && (until !== undefined || then !== undefined)) {
      const key = until === undefined ? 'then' : 'until';
      report({
        code: 'SIG0303',
        place: descend(place, key),
        at: 'key',
        message: `${key} says nothing with ${mode}`,
        hint: 'leave it out',
      });
    } else if (until !== undefined) checkUntil(until, descend(place, 'until'), outline, report);
  }
};

const checkUntil = (until: string, place: Place, { now }: Outline, report: Parameters<Check>[1]): void => {
  const moment = parseMoment(until);
  if (moment === undefined)
    report({
      code: 'SIG0208',
      place,
      message: `${until} is not a moment in time`,
      hint: 'write 2027-06-30T00:00:00Z, with a time and a zone',
    });
  else if (now !== undefined && now >= moment)
    report({
      code: 'SIG0304',
      place,
      severity: 'warning',
      message: `permissive ended at ${until}: this is strict`,
      hint: 'write mtls: strict',
    });
};

type WrittenMtls = { readonly spec: MtlsSpec; readonly place: Place };

const everyMtls = (outline: Outline): readonly WrittenMtls[] => {
  const found: WrittenMtls[] = [];
  const add = (spec: MtlsSpec | undefined, place: Place): void => {
    if (spec !== undefined) found.push({ spec, place: descend(place, 'mtls') });
  };
  add(outline.file.mesh.mtls, descend(outline.place, 'mesh'));
  for (const namespace of outline.namespaces.values()) add(namespace.mtls, namespace.place);
  for (const service of outline.services.values()) {
    add(service.spec.mtls, service.place);
    for (const port of service.ports) add(port.form?.long?.mtls, port.place);
  }
  return found;
};

import { didYouMean } from '../../lib/suggest.ts';
import type { DeclaredService } from '../declared.ts';
import { isAddress, isPortNumber } from '../forms/name.ts';
import { modeOf, mtlsFor, type Outline } from '../outline.ts';
import { descend, type Place, type Report } from '../places.ts';
import type { Check } from './check.ts';

/** Static endpoints have an address, map ports that exist, and none speaks plaintext behind a strict port. */
export const endpoints: Check = (outline, report) => {
  for (const service of outline.services.values()) {
    const list = service.spec.endpoints;
    if (list === undefined || list === 'auto') continue;
    const place = descend(service.place, 'endpoints');
    if (list.length === 0)
      report({ code: 'SIG0210', place, message: 'an empty list says nothing', hint: 'write auto, or leave it out' });
    list.forEach((endpoint, index) => {
      const at = descend(place, index);
      if (!isAddress(endpoint.address))
        report({
          code: 'SIG0410',
          place: descend(at, 'address'),
          message: `${JSON.stringify(endpoint.address.slice(0, 80))} is not an address`,
          hint: 'an IP address or a DNS name, without a port',
        });
      checkPortMap(service, endpoint.ports ?? {}, descend(at, 'ports'), report);
      if (endpoint.mtls === 'disable') checkPlaintext(outline, service, descend(at, 'mtls'), report);
    });
  }
};

const checkPortMap = (
  service: DeclaredService,
  map: Readonly<Record<string, number>>,
  place: Place,
  report: Report,
): void => {
  const known = service.ports.flatMap(({ name }) => (name === undefined ? [] : [name]));
  for (const [name, number] of Object.entries(map)) {
    const at = descend(place, name);
    if (!known.includes(name)) {
      if (service.portsUnread || service.ports.some(({ problem }) => problem !== undefined)) continue;
      report({
        code: 'SIG0409',
        place: at,
        at: 'key',
        message: `${service.name} has no port called ${name}`,
        hint: didYouMean(name, known),
      });
    } else if (!isPortNumber(number))
      report({ code: 'SIG0403', place: at, message: `${number} is not a port number`, hint: '1 to 65535' });
  }
};

const checkPlaintext = (outline: Outline, service: DeclaredService, place: Place, report: Report): void => {
  const strict = service.ports.find((port) => {
    const mtls = mtlsFor(outline, service, port);
    return mtls === undefined || modeOf(mtls.spec) === 'strict';
  });
  if (strict !== undefined)
    report({
      code: 'SIG0408',
      place,
      message: `port ${strict.name ?? ''} of ${service.name} is strict, and this endpoint takes no mTLS`,
      hint: 'give that port mtls: disable, or the endpoint a sidecar',
    });
};

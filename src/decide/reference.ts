import { err, ok, type Result } from '../lib/result.ts';
import { didYouMean } from '../lib/suggest.ts';
import type { Mesh, Port, Service, ServiceKey } from '../model/mesh.ts';
import { parseSpiffeId } from '../spiffe/spiffeId.ts';
import type { Caller } from './verdict.ts';

/** FROM of a question: `NS/NAME`, `NAME` where only one namespace has it, a SPIFFE ID, or `anyone`. The error is a sentence. */
export const findCaller = (mesh: Mesh, written: string): Result<Caller, string> => {
  if (written === 'anyone') return ok({ kind: 'anyone' });
  if (written.includes('://')) {
    const id = parseSpiffeId(written);
    return id === undefined ? err(`${written} is not a SPIFFE ID`) : ok({ kind: 'identity', id });
  }
  const byIdentity = [...mesh.services.values()].find(
    ({ namespace, identity }) => `${namespace}/${identity.slice(identity.lastIndexOf('/') + 1)}` === written,
  );
  const service = findService(mesh, written, undefined);
  if (service.ok) return ok({ kind: 'service', key: service.value.key });
  return byIdentity === undefined ? service : ok({ kind: 'identity', id: byIdentity.identity });
};

/** TO of a question: `NS/NAME[:PORT]` or `NAME[:PORT]`, the latter in FROM's namespace first. The error is a sentence. */
export const findPort = (
  mesh: Mesh,
  written: string,
  from: Caller,
): Result<{ readonly to: ServiceKey; readonly port: Port }, string> => {
  const colon = written.indexOf(':');
  const name = colon < 0 ? written : written.slice(0, colon);
  const home = from.kind === 'service' ? mesh.services.get(from.key)?.namespace : undefined;
  const service = findService(mesh, name, home);
  if (!service.ok) return service;
  const port = pickPort(service.value, colon < 0 ? undefined : written.slice(colon + 1));
  return port.ok ? ok({ to: service.value.key, port: port.value }) : port;
};

const findService = (mesh: Mesh, name: string, home: string | undefined): Result<Service, string> => {
  const exact = mesh.services.get((name.includes('/') ? name : `${home ?? 'default'}/${name}`) as ServiceKey);
  if (exact !== undefined) return ok(exact);
  const named = name.includes('/') ? [] : [...mesh.services.values()].filter((service) => service.name === name);
  const [only] = named;
  if (only === undefined) {
    const hint = didYouMean(name, mesh.services.keys());
    return err(`there is no service ${name}${hint === undefined ? '' : `: ${hint}`}`);
  }
  return named.length === 1
    ? ok(only)
    : err(`several services are called ${name}: write ${named.map(({ key }) => key).join(' or ')}`);
};

const pickPort = (service: Service, wanted: string | undefined): Result<Port, string> => {
  const { ports, key } = service;
  const names = ports.map(({ name }) => name).join(', ');
  if (wanted !== undefined) {
    const port = ports.find(({ name, port: number }) => name === wanted || String(number) === wanted);
    return port === undefined
      ? err(`${key} has no port ${wanted}${names === '' ? '' : `, it has ${names}`}`)
      : ok(port);
  }
  const http = ports.filter(({ protocol }) => protocol !== 'tcp');
  const port = ports.length === 1 ? ports[0] : http.length === 1 ? http[0] : http.find(({ name }) => name === 'http');
  if (port !== undefined) return ok(port);
  return err(
    ports.length === 0 ? `${key} has no ports` : `${key} has several ports, write ${key}:PORT with one of ${names}`,
  );
};

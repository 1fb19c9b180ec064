import { err, ok, type Result } from '../lib/result.ts';
import { didYouMean, oneOf } from '../lib/suggest.ts';
import type { DeclaredPort, DeclaredService } from './declared.ts';
import type { PortForm } from './forms/port.ts';
import type { Problem } from './forms/problem.ts';
import { parseUse, type UseForm } from './forms/use.ts';
import { type Outline, portsCalled } from './outline.ts';
import { descend, type Place } from './places.ts';

/** One line of `uses`, whichever form. */
export type WrittenUse = {
  readonly text: string;
  readonly localPort: number | undefined;
  readonly place: Place;
  /** Where the upstream's name stands. */
  readonly at: 'key' | 'value';
};

export const writtenUses = ({ spec: { uses }, place }: DeclaredService): readonly WrittenUse[] => {
  const list = descend(place, 'uses');
  if (Array.isArray(uses))
    return uses.map((text, index) => ({ text, localPort: undefined, place: descend(list, index), at: 'value' }));
  return Object.entries(uses ?? {}).map(([text, local]) => ({
    text,
    localPort: local ?? undefined,
    place: descend(list, text),
    at: 'key',
  }));
};

export type FoundPort = DeclaredPort & { readonly form: PortForm };

/** The upstream that a use means. `'unknown'`: something else in the file, reported there, keeps it from being told. */
export const resolveUse = (
  outline: Outline,
  from: DeclaredService,
  text: string,
): Result<{ readonly service: DeclaredService; readonly port: FoundPort }, Problem | 'unknown'> => {
  const form = parseUse(text);
  if (form === undefined)
    return err({
      code: 'SIG0411',
      message: `${JSON.stringify(text.slice(0, 80))} names no service`,
      hint: 'write NAME, NAME:PORT or NAMESPACE/NAME:PORT',
    });
  const namespace = outline.namespaces.get(form.namespace ?? from.namespace);
  const service = namespace?.services.get(form.name);
  if (service === undefined)
    return err((namespace?.incomplete ?? outline.incomplete) ? 'unknown' : missingService(outline, from, form));
  const port = pickPort(service, form, text);
  return port.ok ? ok({ service, port: port.value }) : port;
};

const missingService = (outline: Outline, from: DeclaredService, { namespace, name }: UseForm): Problem => {
  const home = outline.namespaces.get(namespace ?? from.namespace);
  const where = `namespace ${namespace ?? from.namespace}`;
  const elsewhere = [...outline.namespaces.values()].find((other) => other.services.has(name));
  const near = didYouMean(
    home === undefined ? (namespace ?? '') : name,
    home?.services.keys() ?? outline.namespaces.keys(),
  );
  const hint = elsewhere === undefined ? near : `did you mean ${elsewhere.name}/${name}?`;
  if (home === undefined) return { code: 'SIG0411', message: `there is no ${where}`, ...hinted(hint) };
  return { code: 'SIG0411', message: `${where} has no service ${name}`, ...hinted(hint) };
};

const hinted = (hint: string | undefined): { readonly hint?: string } => (hint === undefined ? {} : { hint });

const isFound = (port: DeclaredPort): port is FoundPort => port.form !== undefined;

// Without a port: the only one, the only HTTP one, or the one called http; as callers address it.
const pickPort = (
  service: DeclaredService,
  { port: wanted }: UseForm,
  text: string,
): Result<FoundPort, Problem | 'unknown'> => {
  const found = service.ports.filter(isFound);
  const whole = !service.portsUnread && found.length === service.ports.length;
  if (wanted !== undefined) {
    const port = portsCalled(service, wanted).find(isFound);
    if (port !== undefined) return ok(port);
    const names = found.flatMap(({ name }) => (name === undefined ? [] : [name]));
    const hint = didYouMean(wanted, names) ?? (names.length === 0 ? 'it has no ports' : `it has ${oneOf(names)}`);
    return err(whole ? { code: 'SIG0412', message: `${service.key} has no port ${wanted}`, hint } : 'unknown');
  }
  const http = found.filter(({ form }) => form.protocol !== 'tcp');
  const only = found.length === 1 ? found[0] : http.length === 1 ? http[0] : http.find(({ name }) => name === 'http');
  if (only !== undefined) return ok(only);
  if (!whole) return err('unknown');
  if (found.length === 0)
    return err({ code: 'SIG0412', message: `${service.key} has no ports`, hint: 'it is a caller only' });
  const choices = found.map(({ name }) => `${text}:${name ?? ''}`);
  return err({ code: 'SIG0413', message: `${service.key} has several ports`, hint: `write ${oneOf(choices)}` });
};

import type { MtlsSpec } from '../features/mtls/spec.ts';
import type { ServiceSpec } from '../features/services/spec.ts';
import type { Instant } from '../lib/time.ts';
import type { ServiceKey } from '../model/mesh.ts';
import type { DeclaredNamespace, DeclaredPort, DeclaredService } from './declared.ts';
import type { Decoded } from './decode.ts';
import { parsePort } from './forms/port.ts';
import type { Place } from './places.ts';
import { descend } from './places.ts';
import { type DeclaredRule, declaredRules } from './rules.ts';
import type { FileSpec } from './schema.ts';
import type { Beside } from './trust.ts';
import type { Unread } from './unread.ts';

/** The decoded file, indexed by what it declares. Checks and build read it; it holds no judgement. */
export type Outline = {
  readonly file: FileSpec;
  readonly place: Place;
  /** In the order of the file. */
  readonly namespaces: ReadonlyMap<string, DeclaredNamespace>;
  /** The first of each key. */
  readonly services: ReadonlyMap<ServiceKey, DeclaredService>;
  /** Services that stand a second time. */
  readonly repeated: readonly DeclaredService[];
  readonly rules: readonly DeclaredRule[];
  /** `undefined`: nothing is said about what has passed. */
  readonly now: Instant | undefined;
  /** The files that this one names. */
  readonly beside: Beside;
  /** Some namespace could not be read: a missing one is no finding. */
  readonly incomplete: boolean;
  /** Some trust domain could not be read: one that nobody can prove is no finding. */
  readonly trustUnread: boolean;
};

/** Indexes a decoded file in one pass. */
export const outline = (
  { file, place, unread }: Decoded,
  { now, beside }: Pick<Outline, 'now' | 'beside'>,
): Outline => {
  const namespaces = new Map<string, DeclaredNamespace>();
  const repeated: DeclaredService[] = [];
  const services = new Map<ServiceKey, DeclaredService>();
  const declare = (
    name: string,
    at: Place,
    mtls: MtlsSpec | undefined,
    specs: FileSpec['services'],
    listAt: Place,
  ): void => {
    const namespace = namespaces.get(name) ?? {
      name,
      place: at,
      mtls,
      services: new Map(),
      identities: new Map(),
      incomplete: unread.get(at)?.has('services') === true || unread.get(place)?.has('services') === true,
    };
    namespaces.set(name, namespace);
    for (const [own, spec] of Object.entries(specs ?? {})) {
      const service = declareService(namespace, own, spec, descend(listAt, own), unread);
      if (services.has(service.key)) repeated.push(service);
      else add(namespace, service, services);
    }
  };
  for (const [name, spec] of Object.entries(file.namespaces ?? {})) {
    const at = descend(place, 'namespaces', name);
    declare(name, at, spec.mtls, spec.services, descend(at, 'services'));
  }
  if (file.services !== undefined)
    declare('default', descend(place, 'services'), undefined, file.services, descend(place, 'services'));
  const rules = declaredRules(file, place, namespaces.values());
  const lost = unread.get(place);
  const incomplete = lost?.has('namespaces') === true || lost?.has('services') === true;
  const lostOfMesh = unread.get(descend(place, 'mesh'));
  const trustUnread = lostOfMesh?.has('trust') === true || lostOfMesh?.has('trustDomainAliases') === true;
  return { file, place, namespaces, services, repeated, rules, now, beside, incomplete, trustUnread };
};

const add = (namespace: DeclaredNamespace, service: DeclaredService, all: Map<ServiceKey, DeclaredService>): void => {
  all.set(service.key, service);
  namespace.services.set(service.name, service);
  const sharing = namespace.identities.get(service.identity);
  if (sharing === undefined) namespace.identities.set(service.identity, [service]);
  else sharing.push(service);
};

const declareService = (
  { name: namespace }: DeclaredNamespace,
  name: string,
  spec: ServiceSpec,
  place: Place,
  unread: Unread,
): DeclaredService => ({
  key: `${namespace}/${name}`,
  namespace,
  name,
  identity: spec.identity ?? name,
  spec,
  place,
  ports: declarePorts(spec.ports, descend(place, 'ports')),
  portsUnread: unread.get(place)?.has('ports') === true,
  identityUnread: unread.get(place)?.has('identity') === true,
});

const declarePorts = (spec: ServiceSpec['ports'], place: Place): readonly DeclaredPort[] =>
  Object.entries(spec ?? {}).map(([key, written]) => {
    const parsed = parsePort(written);
    const form = parsed.ok ? parsed.value : undefined;
    const own = form?.long?.name;
    return {
      place: descend(place, key),
      name: Array.isArray(spec) ? (own ?? form?.protocol) : key,
      named: Array.isArray(spec) ? (own === undefined ? 'protocol' : 'name') : 'key',
      form,
      problem: parsed.ok ? undefined : parsed.error,
    };
  });

/** The `mtls` in force for a port, the narrowest first; `undefined` where none is written. */
export const mtlsFor = (
  { file, place, namespaces }: Outline,
  service: DeclaredService,
  port: DeclaredPort,
): { readonly spec: MtlsSpec; readonly place: Place } | undefined => {
  const namespace = namespaces.get(service.namespace);
  const ladder: readonly (readonly [MtlsSpec | undefined, Place | undefined])[] = [
    [port.form?.long?.mtls, port.place],
    [service.spec.mtls, service.place],
    [namespace?.mtls, namespace?.place],
    [file.mesh.mtls, descend(place, 'mesh')],
  ];
  for (const [spec, at] of ladder)
    if (spec !== undefined && at !== undefined) return { spec, place: descend(at, 'mtls') };
  return undefined;
};

/** `strict`, `permissive` or `disable` as it is written. */
export const modeOf = (spec: MtlsSpec): 'strict' | 'permissive' | 'disable' =>
  typeof spec === 'string' ? spec : spec.mode;

/** Ports of a service that a name or number means. */
export const portsCalled = (service: DeclaredService, wanted: string | number): readonly DeclaredPort[] =>
  service.ports.filter((port) => port.name === wanted || String(port.form?.port) === String(wanted));

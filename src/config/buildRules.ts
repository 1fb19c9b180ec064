import type { Location } from '../lib/diagnostic.ts';
import { invariant } from '../lib/errors.ts';
import type { Result } from '../lib/result.ts';
import type { ServiceKey } from '../model/mesh.ts';
import type { IdentityMatch, Operation, OperationMatch, PathPattern, Principal, Rule, Source } from '../model/rule.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffeId.ts';
import { resolveCaller } from './callers.ts';
import type { DeclaredService } from './declared.ts';
import { parseCall } from './forms/call.ts';
import { parseMoment } from './forms/moment.ts';
import { parsePath } from './forms/path.ts';
import { type Outline, portsCalled } from './outline.ts';
import type { Callers, Calls, DeclaredOperation, DeclaredRule, DeclaredSource, Written } from './rules.ts';

type Job = {
  readonly outline: Outline;
  readonly trustDomain: TrustDomain;
  readonly locate: (offset: number) => Location;
};

/** The rules of each service, the widest first: the mesh's, the namespace's, its own. The file must have passed its checks. */
export const buildRules = (job: Job): ((service: DeclaredService) => readonly Rule[]) => {
  const wide: ((service: DeclaredService) => readonly Rule[])[] = [];
  const byNamespace = new Map<string, ((service: DeclaredService) => readonly Rule[])[]>();
  const byService = new Map<ServiceKey, ((service: DeclaredService) => readonly Rule[])[]>();
  const group = <K>(groups: Map<K, typeof wide>, key: K): typeof wide => {
    const known = groups.get(key) ?? [];
    groups.set(key, known);
    return known;
  };
  for (const rule of job.outline.rules) {
    const { scope } = rule;
    const home =
      scope.kind === 'mesh'
        ? wide
        : scope.kind === 'namespace'
          ? group(byNamespace, scope.namespace.name)
          : group(byService, scope.service.key);
    home.push(ruleFor(job, rule));
  }
  return (service) =>
    [...wide, ...(byNamespace.get(service.namespace) ?? []), ...(byService.get(service.key) ?? [])].flatMap((build) =>
      build(service),
    );
};

// A rule that names no port is one value for every service that it is for.
const ruleFor = (job: Job, rule: DeclaredRule): ((service: DeclaredService) => readonly Rule[]) => {
  const shared = {
    action: rule.action,
    name: rule.name?.text,
    from: rule.from === undefined ? [{ kind: 'anyone' as const }] : buildSources(job, rule, rule.from),
    until: rule.until === undefined ? undefined : present(parseMoment(rule.until.text)),
    location: job.locate(rule.place.valueAt),
  };
  const namesPorts =
    rule.to?.some(
      (operation) => operation.kind === 'object' && (operation.ports ?? operation.not?.ports) !== undefined,
    ) === true;
  if (!namesPorts) {
    const one: readonly Rule[] = [
      { ...shared, to: rule.to?.flatMap((operation) => buildOperation(operation, undefined)) ?? [{}] },
    ];
    return () => one;
  }
  return (service) => {
    const to = rule.to?.flatMap((operation) => buildOperation(operation, service)) ?? [{}];
    return to.length === 0 ? [] : [{ ...shared, to }];
  };
};

// Bare callers are one list, for they are ORed: a hundred callers are one matcher and not a hundred.
const buildSources = (job: Job, rule: DeclaredRule, sources: readonly DeclaredSource[]): readonly Source[] => {
  const caller = (written: Written): Principal | 'anyone' =>
    settled(resolveCaller(job.outline, job.trustDomain, rule.scope, written.text));
  const bare = sources.flatMap((source) => (source.kind === 'caller' ? [caller(source.caller)] : []));
  const principals = bare.filter((found) => found !== 'anyone');
  const objects = sources.flatMap((source): Source[] => {
    if (source.kind === 'caller') return [];
    const not = source.not === undefined ? {} : { not: buildCallers(source.not, caller) };
    return [{ kind: 'identity', ...buildCallers(source, caller), ...not }];
  });
  return [
    ...(principals.length < bare.length ? [{ kind: 'anyone' as const }] : []),
    ...(principals.length === 0 ? [] : [{ kind: 'identity' as const, principals }]),
    ...objects,
  ];
};

const buildCallers = (
  { principals, namespaces, trustDomains }: Callers,
  caller: (written: Written) => Principal | 'anyone',
): IdentityMatch => ({
  ...(principals === undefined ? {} : { principals: principals.map(caller).filter((found) => found !== 'anyone') }),
  ...(namespaces === undefined ? {} : { namespaces: namespaces.map(({ text }) => text) }),
  ...(trustDomains === undefined
    ? {}
    : { trustDomains: trustDomains.map(({ text }) => present(parseTrustDomain(text))) }),
});

// Ports that this service does not have are not meant here; an operation for none of its ports goes.
const buildOperation = (operation: DeclaredOperation, service: DeclaredService | undefined): readonly Operation[] => {
  if (operation.kind === 'call') {
    const { method, path } = settled(parseCall(operation.call.text));
    return [
      { ...(method === undefined ? {} : { methods: [method] }), ...(path === undefined ? {} : { paths: [path] }) },
    ];
  }
  const match = buildMatch(operation, service);
  if (match.ports?.length === 0) return [];
  if (operation.not === undefined) return [match];
  const { ports, ...rest } = buildMatch(operation.not, service);
  const not: OperationMatch = ports === undefined || ports.length === 0 ? rest : { ...rest, ports };
  return [Object.keys(not).length === 0 ? match : { ...match, not }];
};

const buildMatch = ({ methods, paths, ports }: Calls, service: DeclaredService | undefined): OperationMatch => ({
  ...(methods === undefined ? {} : { methods: methods.map(({ text }) => text) }),
  ...(paths === undefined ? {} : { paths: paths.map(({ text }): PathPattern => settled(parsePath(text))) }),
  ...(ports === undefined || service === undefined ? {} : { ports: numbersOf(ports, service) }),
});

const numbersOf = (ports: readonly Written<string | number>[], service: DeclaredService): readonly number[] => [
  ...new Set(
    ports.flatMap(({ text }) =>
      portsCalled(service, text).flatMap(({ form }) => (form === undefined ? [] : [form.port])),
    ),
  ),
];

const settled = <T>(result: Result<T, unknown>): T => {
  invariant(result.ok, 'a form that the checks passed does not parse');
  return result.value;
};

const present = <T>(value: T | undefined): T => {
  invariant(value !== undefined, 'a value that the checks passed does not parse');
  return value;
};

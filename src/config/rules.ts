import type { OperationSpec, PortNamesSpec, RuleSpec, SourceSpec, TextsSpec } from '../features/authorization/spec.ts';
import type { DeclaredNamespace, DeclaredService } from './declared.ts';
import { descend, type Place } from './places.ts';
import type { FileSpec } from './schema.ts';

/** A rule in one shape, whichever form it was written in; nothing is looked up yet. */
export type DeclaredRule = {
  readonly action: 'allow' | 'deny';
  /** Whose rule it is; all services below it are meant. `namespace` is where short names of callers are looked up. */
  readonly scope: RuleScope;
  readonly place: Place;
  readonly name: Written | undefined;
  readonly until: Written | undefined;
  /** `undefined` where no `from` is written. */
  readonly from: readonly DeclaredSource[] | undefined;
  readonly fromPlace: Place;
  /** `undefined` where no `to` is written: any call. */
  readonly to: readonly DeclaredOperation[] | undefined;
  readonly toPlace: Place;
};

export type RuleScope =
  | { readonly kind: 'mesh' }
  | { readonly kind: 'namespace'; readonly namespace: DeclaredNamespace }
  | { readonly kind: 'service'; readonly service: DeclaredService };

export type Written<T extends string | number = string> = { readonly text: T; readonly place: Place };

export type DeclaredSource =
  | { readonly kind: 'caller'; readonly caller: Written }
  | ({ readonly kind: 'object'; readonly place: Place; readonly not: Callers | undefined } & Callers);

export type Callers = {
  readonly principals?: readonly Written[];
  readonly namespaces?: readonly Written[];
  readonly trustDomains?: readonly Written[];
  readonly place: Place;
};

export type DeclaredOperation =
  | { readonly kind: 'call'; readonly call: Written }
  | ({ readonly kind: 'object'; readonly place: Place; readonly not: Calls | undefined } & Calls);

export type Calls = {
  readonly methods?: readonly Written[];
  readonly paths?: readonly Written[];
  readonly ports?: readonly Written<string | number>[];
  readonly place: Place;
};

/** Every rule of the file: the mesh's, then by namespace its own and those of its services. */
export const declaredRules = (
  file: FileSpec,
  place: Place,
  namespaces: Iterable<DeclaredNamespace>,
): readonly DeclaredRule[] => [
  ...rulesOf(file.mesh, { kind: 'mesh' }, descend(place, 'mesh')),
  ...[...namespaces].flatMap((namespace) => [
    ...rulesOf(
      file.namespaces?.[namespace.name] ?? {},
      { kind: 'namespace', namespace },
      descend(place, 'namespaces', namespace.name),
    ),
    ...[...namespace.services.values()].flatMap((service) =>
      rulesOf(service.spec, { kind: 'service', service }, service.place),
    ),
  ]),
];

type Rules = { readonly allow?: readonly RuleSpec[] | undefined; readonly deny?: readonly RuleSpec[] | undefined };

const rulesOf = (rules: Rules, scope: RuleScope, place: Place): readonly DeclaredRule[] =>
  (['deny', 'allow'] as const).flatMap((action) =>
    (rules[action] ?? []).map((spec, index) => declareRule(action, spec, scope, descend(place, action, index))),
  );

const declareRule = (action: DeclaredRule['action'], spec: RuleSpec, scope: RuleScope, place: Place): DeclaredRule => {
  const rule = typeof spec === 'string' ? { from: spec } : spec;
  // A bare caller is its own `from`.
  const fromPlace = descend(place, 'from');
  const toPlace = descend(place, 'to');
  return {
    action,
    scope,
    place,
    name: rule.name === undefined ? undefined : { text: rule.name, place: descend(place, 'name') },
    until: rule.until === undefined ? undefined : { text: rule.until, place: descend(place, 'until') },
    from: items(rule.from, fromPlace)?.map(([item, at]) => declareSource(item, at)),
    fromPlace,
    to: items(rule.to, toPlace)?.map(([item, at]) => declareOperation(item, at)),
    toPlace,
  };
};

const items = <T extends string | number | object>(
  spec: T | readonly T[] | undefined,
  place: Place,
): readonly (readonly [T, Place])[] | undefined => {
  if (spec === undefined) return undefined;
  return isList(spec) ? spec.map((item, index) => [item, descend(place, index)] as const) : [[spec, place]];
};

const isList = <T>(spec: T | readonly T[]): spec is readonly T[] => Array.isArray(spec);

const written = (spec: TextsSpec | undefined, place: Place): readonly Written[] | undefined =>
  items<string>(spec, place)?.map(([text, at]) => ({ text, place: at }));

const numbered = (spec: PortNamesSpec | undefined, place: Place): readonly Written<string | number>[] | undefined =>
  items<string | number>(spec, place)?.map(([text, at]) => ({ text, place: at }));

const declareSource = (spec: string | SourceSpec, place: Place): DeclaredSource => {
  if (typeof spec === 'string') return { kind: 'caller', caller: { text: spec, place } };
  return {
    kind: 'object',
    ...callers(spec, place),
    not: spec.not === undefined ? undefined : callers(spec.not, descend(place, 'not')),
  };
};

const callers = (spec: SourceSpec['not'] & object, place: Place): Callers => {
  const principals = written(spec.principals, descend(place, 'principals'));
  const namespaces = written(spec.namespaces, descend(place, 'namespaces'));
  const trustDomains = written(spec.trustDomains, descend(place, 'trustDomains'));
  return {
    place,
    ...(principals === undefined ? {} : { principals }),
    ...(namespaces === undefined ? {} : { namespaces }),
    ...(trustDomains === undefined ? {} : { trustDomains }),
  };
};

const declareOperation = (spec: string | OperationSpec, place: Place): DeclaredOperation => {
  if (typeof spec === 'string') return { kind: 'call', call: { text: spec, place } };
  return {
    kind: 'object',
    ...calls(spec, place),
    not: spec.not === undefined ? undefined : calls(spec.not, descend(place, 'not')),
  };
};

const calls = (spec: OperationSpec['not'] & object, place: Place): Calls => {
  const methods = written(spec.methods, descend(place, 'methods'));
  const paths = written(spec.paths, descend(place, 'paths'));
  const ports = numbered(spec.ports, descend(place, 'ports'));
  return {
    place,
    ...(methods === undefined ? {} : { methods }),
    ...(paths === undefined ? {} : { paths }),
    ...(ports === undefined ? {} : { ports }),
  };
};

/** The services that a rule is for. */
export const servicesIn = (scope: RuleScope, all: Iterable<DeclaredService>): readonly DeclaredService[] => {
  if (scope.kind === 'service') return [scope.service];
  return scope.kind === 'namespace' ? [...scope.namespace.services.values()] : [...all];
};

/** Methods or paths: what only HTTP can carry. */
export const isHttpOnly = (operation: DeclaredOperation): boolean =>
  operation.kind === 'call' ||
  [operation, operation.not].some((calls) => calls?.methods !== undefined || calls?.paths !== undefined);

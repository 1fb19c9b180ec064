import fc from 'fast-check';

// Meshes as people would not write them: short lists of awkward names, so that they clash often.
const LONG = 'a'.repeat(63);
const NAMES = ['web', 'app', 'outbound', 'inbound', 'unknown', 'mesh', 'prod', '0', 'x--y', LONG];

const name = fc.constantFrom(...NAMES);
const port = fc.constantFrom(80, 8080, 8081, 9090, 15_002, 65_535);
const protocol = fc.constantFrom('http', 'http2', 'grpc', 'tcp');
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
/** Without the keys that hold nothing: `undefined` is no YAML. */
const record = <T extends object>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<object> =>
  fc.record(shape).map((made) => Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)));

const moment = fc.constantFrom('2020-01-01T00:00:00Z', '2027-06-30T12:00:00+02:00', '9999-12-31T23:59:59-10:00');
const mtls = fc.oneof(
  fc.constantFrom('strict', 'disable'),
  fc.record({ mode: fc.constant('permissive'), until: moment }),
);

const segment = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'a',
      'admin',
      'v1',
      'jobs:cancel',
      'a+b',
      '(x)',
      '[1]',
      'a.b',
      '$',
      '~',
      "it's",
      '%C3%A4',
    ),
  },
  { weight: 2, arbitrary: fc.constant('{*}') },
  { weight: 1, arbitrary: fc.stringMatching(/^[a-z0-9]{1,40}$/) },
);
const path = fc.oneof(
  fc.array(segment, { minLength: 1, maxLength: 14 }).map((parts) => `/${parts.join('/')}`),
  fc.array(segment, { maxLength: 24 }).map((parts) => `/${[...parts, '{**}'].join('/')}`),
  fc.constantFrom('/', '*', '/*', '*.png', '/admin/*', `/${'x'.repeat(1000)}`, '*/', '/{*}', '/{**}'),
);
const method = fc.constantFrom('GET', 'POST', 'DELETE', 'M-SEARCH');
const some = <T>(value: fc.Arbitrary<T>, maxLength = 3): fc.Arbitrary<T[]> =>
  fc.array(value, { minLength: 1, maxLength });

const callers = {
  principals: maybe(some(fc.constantFrom('*', 'spiffe://shop.example/ns/x/sa/y', 'spiffe://other.example/z'))),
};
const calls = { methods: maybe(some(method)), paths: maybe(some(path)) };
/** An empty map is an error, not a mesh. */
const isSaid = (map: object): boolean =>
  Object.keys(map).length > 0 && (!('not' in map) || Object.keys(map.not ?? {}).length > 0);
const source = fc.oneof(
  fc.constantFrom('anyone', '*', 'spiffe://shop.example/ns/prod/sa/web'),
  record({ ...callers, not: maybe(record(callers)) }).filter(isSaid),
);
const operation = fc.oneof(
  path,
  method,
  fc.tuple(method, path).map((both) => both.join(' ')),
  record({ ...calls, not: maybe(record(calls)) }).filter(isSaid),
);
const rule = record({
  from: fc.oneof(source, some(source)),
  to: maybe(fc.oneof(operation, some(operation, 5))),
  until: maybe(moment),
  name: maybe(fc.constantFrom('a', 'debug shell', '0000', LONG)),
});
const rules = { allow: maybe(some(rule, 3)), deny: maybe(some(rule, 2)) };

const target = fc.oneof(
  fc.constantFrom<string | number>(
    3000,
    '127.0.0.1:3001',
    '[::1]:3002',
    'localhost:3003',

    'unix:/run/a.sock',
  ),
  port,
);
const declared = (number: number) =>
  record({ port: fc.constant(number), target: maybe(target), protocol, mtls: maybe(mtls) });
const ports = fc
  .uniqueArray(fc.tuple(fc.constantFrom('http', 'tcp', 'admin', LONG), port), {
    maxLength: 3,
    selector: ([, number]) => number,
  })
  .chain((list) => fc.record(Object.fromEntries(list.map(([key, number]) => [key, declared(number)]))));
const endpoint = record({
  address: fc.constantFrom('192.0.2.9', '2001:db8::9', 'db.example', '::1', 'a_b.example'),
  mtls: maybe(fc.constant('disable')),
});

const service = record({
  identity: maybe(fc.constantFrom('web', 'shared')),
  mtls: maybe(mtls),
  ports,
  endpoints: maybe(fc.oneof(fc.constant('auto'), some(endpoint, 3))),
  ...rules,
});

type Spec = {
  ports?: Record<string, { readonly port: number; mtls?: unknown }>;
  endpoints?: 'auto' | readonly { readonly mtls?: string }[];
  uses?: Record<string, number>;
  allow?: readonly object[];
  mtls?: object | string;
};
type Space = { readonly services: Record<string, Spec> };

/** Local ports and rules by port refer to what there is; plaintext endpoints stand only behind permissive ports. */
const withReferences = (spaces: Record<string, Space>, picks: readonly number[]): Record<string, Space> => {
  const all = Object.entries(spaces).flatMap(([ns, { services }]) =>
    Object.entries(services).flatMap(([own, { ports: list }]) =>
      Object.values(list ?? {}).map(({ port: number }) => `${ns}/${own}:${number}`),
    ),
  );
  let at = 0;
  for (const spec of Object.values(spaces).flatMap(({ services }) => Object.values(services))) {
    const pick = picks[at++ % picks.length] ?? 0;
    const used = all[pick % Math.max(all.length, 1)];
    if (used !== undefined && pick % 3 > 0) spec.uses = { [used]: 9000 + (pick % 90) };
    const [own] = Object.values(spec.ports ?? {});
    if (own !== undefined && pick % 5 === 0) spec.allow = [{ from: '*', to: { ports: own.port } }];
    if (Array.isArray(spec.endpoints) && spec.endpoints.some((endpoint) => endpoint.mtls === 'disable')) {
      spec.mtls = { mode: 'permissive', until: '2027-06-30T12:00:00Z' };
      for (const declaredPort of Object.values(spec.ports ?? {})) delete declaredPort.mtls;
    }
  }
  return spaces;
};

const space = record({
  mtls: maybe(mtls),
  services: fc.dictionary(name, service, { minKeys: 1, maxKeys: 4 }),
  ...rules,
});

/** A mesh as a value; `JSON.stringify` makes a mesh.yaml of it. */
export const randomMesh: fc.Arbitrary<object> = fc
  .tuple(
    record({
      trustDomain: fc.constant('shop.example'),
      authorization: maybe(fc.constantFrom('allow', 'deny')),
      mtls: maybe(mtls),
      ...rules,
    }),
    fc.dictionary(name, space, { minKeys: 1, maxKeys: 3 }),
    fc.array(fc.nat(1000), { minLength: 3, maxLength: 9 }),
  )
  .map(([mesh, spaces, picks]) => ({
    mesh,
    namespaces: withReferences(structuredClone(spaces) as Record<string, Space>, picks),
  }));

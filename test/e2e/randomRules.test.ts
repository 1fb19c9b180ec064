import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import fc from 'fast-check';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { runSignetHere } from '../support/signet.ts';
import { testAuthority } from '../support/testAuthority.ts';
import { type Shown, tlsCall } from '../support/tlsCall.ts';
import { takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

// Rules by chance, but the same ones in every run.
const SEED = 20_270_630;
const MESHES = 12;
const CALLS_PER_CALLER = 30;

/** `renamed` shows a certificate of the name that the mesh had before, `partner` one of another trust domain. */
const CALLERS = ['web', 'orders', 'nobody', 'anyone', 'renamed', 'partner'] as const;
type Caller = (typeof CALLERS)[number];
const RENAMED = 'spiffe://old.example/ns/default/sa/orders';
const PARTNER = 'spiffe://partner.example/ns/default/sa/web';

const METHODS = ['GET', 'POST', 'PUT'];
const PATTERNS = ['/a', '/a/*', '/a/b', '/A/*', '*.png', '/t/{*}', '/t/{*}/s', '/t/{**}', '/', '/*', '/ab', '/a/b/'];
const PATHS = [
  ...['/', '/a', '/a/', '/a/b', '/a/b/', '/A/b', '/a/B', '/ab', '/a/b/c', '/a//b', '/a/./b', '/t/../a/b', '/%61/b'],
  ...['/x.png', '/a/x.PNG', '/t/1', '/t/1/', '/t/1/s', '/t/1/S/', '/t//s', '/t', '/a/b?q=/t/1', '/a;x', '/a%2Fb'],
  ...['/a/%2562', '/a%20', '/a/%E4%BD%A0', '/t/%7E', '/t/%41', '/a%5Cb', '/a/b%00', '/a/b%'],
];

const some = <T>(all: readonly T[], max: number) =>
  fc.subarray([...all], { minLength: 1, maxLength: Math.min(max, all.length) });
const names = some(['web', 'orders', 'nobody'], 2);
const PAST = '2020-01-01T00:00:00Z';
const FUTURE = '2099-01-01T00:00:00Z';

const from = fc.oneof(
  names,
  fc.constantFrom('anyone', '*', 'default/*', 'web', 'spiffe://shop.example/ns/default/sa/orders', RENAMED, PARTNER),
  fc.record({ namespaces: fc.constant(['default']), not: fc.record({ principals: names }) }),
  fc.record({ trustDomains: some(['shop.example', 'old.example', 'partner.example'], 2) }),
  fc.record({ not: fc.record({ trustDomains: some(['old.example', 'partner.example'], 1) }) }),
  fc.record({ not: fc.record({ principals: some(['web', RENAMED, PARTNER], 2) }) }),
);
const operation = fc.oneof(
  fc.constantFrom(...METHODS),
  fc.constantFrom(...PATTERNS),
  fc.tuple(fc.constantFrom(...METHODS), fc.constantFrom(...PATTERNS)).map((words) => words.join(' ')),
);
const to = fc.oneof(
  operation,
  fc.array(operation, { minLength: 1, maxLength: 3 }),
  fc.record(
    {
      methods: some(METHODS, 2),
      paths: some(PATTERNS, 2),
      not: fc.oneof(fc.record({ paths: some(PATTERNS, 2) }), fc.record({ methods: some(METHODS, 1) })),
    },
    { requiredKeys: ['not'] },
  ),
);
const until = fc.constantFrom(PAST, FUTURE);
const allow = fc.record({ from, to, until }, { requiredKeys: ['from'] });
const deny = fc.oneof(fc.record({ from, to, until }, { requiredKeys: ['from'] }), fc.record({ to }));

const policy = fc.record({
  verdict: fc.constantFrom('deny', 'deny', 'allow'),
  strict: fc.boolean(),
  allow: fc.array(allow, { maxLength: 4 }),
  deny: fc.array(deny, { maxLength: 3 }),
});
type Policy = typeof policy extends fc.Arbitrary<infer T> ? T : never;

const calls = fc.array(fc.tuple(fc.constantFrom(...METHODS), fc.constantFrom(...PATHS)), {
  minLength: CALLS_PER_CALLER,
  maxLength: CALLS_PER_CALLER,
});

// JSON is YAML. The other port says when this mesh is in force: its one rule has the number in it.
const meshYaml = (target: number, number: number, { verdict, strict, allow, deny }: Policy): string =>
  JSON.stringify({
    mesh: {
      trustDomain: 'shop.example',
      trustDomainAliases: ['old.example'],
      trust: [{ trustDomain: 'partner.example', bundle: { file: 'partner.pem' } }],
      authorization: verdict,
    },
    services: {
      web: { uses: ['files:http', 'files:marker'] },
      orders: { uses: ['files:http'] },
      nobody: { uses: ['files:http'] },
      files: {
        ports: {
          http: {
            port: 8080,
            target,
            protocol: 'http',
            ...(strict ? {} : { mtls: { mode: 'permissive', until: FUTURE, then: 'strict' } }),
          },
          marker: { port: 8081, target, protocol: 'http' },
        },
        allow: [
          { from: 'web', to: { ports: ['marker'], paths: [`/in-force/${number}`] } },
          ...allow.map((rule) => onHttp(rule)),
        ],
        deny: deny.map((rule) => onHttp(rule)),
      },
    },
  });

/** Before there are rules. */
const bare = (trustDomain: string, trustDomainAliases: readonly string[]): string =>
  JSON.stringify({ mesh: { trustDomain, trustDomainAliases }, services: { orders: {} } });

const onHttp = (rule: { readonly to?: unknown }): object => {
  const { to: written } = rule;
  if (written === undefined) return { ...rule, to: { ports: ['http'] } };
  const list = Array.isArray(written) ? written : [written];
  return { ...rule, to: list.map((one) => (typeof one === 'string' ? asObject(one) : { ...one, ports: ['http'] })) };
};

const asObject = (text: string): object => {
  const words = text.split(' ');
  const method = words.find((word) => /^[A-Z]/.test(word));
  const path = words.find((word) => !/^[A-Z]/.test(word));
  return {
    ports: ['http'],
    ...(method === undefined ? {} : { methods: [method] }),
    ...(path === undefined ? {} : { paths: [path] }),
  };
};

describe('rules by chance mean the same to Envoy and to signet can', function () {
  this.timeout(120_000);
  const world = useWorld();
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const samples = fc.sample(fc.tuple(policy, fc.tuple(calls, calls, calls, calls, calls, calls)), {
    seed: SEED,
    numRuns: MESHES,
  });
  let target: number;
  let mesh: TestMesh;
  let shown: Readonly<Record<'renamed' | 'partner', Shown>>;
  let [web, orders, nobody, files]: Sidecar[] = [];
  const seen = { allowed: 0, denied: 0, unreadable: 0 };

  before(async () => {
    target = world.own(await httpApp('files')).port;
    mesh = await world.mesh(bare('old.example', []));
    const partner = testAuthority();
    shown = { renamed: await takeCertificate(mesh, 'default/orders', RENAMED), partner: partner.leaf(PARTNER) };
    await writeFile(join(mesh.folder, 'partner.pem'), partner.anchorPem);
    const texts = [
      bare('old.example', ['shop.example']),
      bare('shop.example', ['old.example']),
      meshYaml(target, -1, { verdict: 'deny', strict: true, allow: [], deny: [] }),
    ];
    for (const text of texts) {
      await mesh.save(text);
      await eventually(async () => assert.equal((await mesh.ask('check', '--wait')).code, 0), 30_000);
    }
    const all = ['default/web', 'default/orders', 'default/nobody', 'default/files'] as const;
    [web, orders, nobody, files] = await world.sidecars(mesh, ...all);
    for (const caller of [web, orders, nobody]) await caller.callUntil(403, { host: 'files' });
  });
  after(() => agent.destroy());

  const inForce = (number: number): Promise<void> =>
    eventually(async () => {
      const { status } = (await web?.call({ host: 'files:8081', path: `/in-force/${number}`, agent })) ?? {};
      assert.equal(status, 200);
    });

  /** 0 where plaintext gets no answer at all. */
  const enforced = async (caller: Caller, method: string, path: string): Promise<number> => {
    if (caller === 'anyone') {
      const at = { host: files?.address ?? '', port: 8080 };
      return await call(at, { host: 'files', method, path }).then(
        ({ status }) => status,
        () => 0,
      );
    }
    if (caller === 'renamed' || caller === 'partner') {
      const at = { host: files?.address ?? '', port: 8080 };
      return (await tlsCall(at, shown[caller], { host: 'files', method, path })).status;
    }
    const sidecar = { web, orders, nobody }[caller];
    return (await sidecar?.call({ host: 'files', method, path, agent }))?.status ?? 0;
  };

  const predicted = async (caller: Caller, method: string, path: string): Promise<boolean> => {
    const ids = { renamed: RENAMED, partner: PARTNER };
    const name = caller === 'renamed' || caller === 'partner' ? ids[caller] : `default/${caller}`;
    const who = caller === 'anyone' ? ['anyone'] : [name];
    const rest = caller === 'anyone' ? ['--plaintext'] : [];
    const done = await runSignetHere([
      'can',
      '--config',
      mesh.file,
      ...who,
      'default/files:http',
      method,
      path,
      ...rest,
    ]);
    assert.match(done.stdout, done.code === 0 ? /^ALLOW\n/ : /^DENY\n/, done.stderr);
    return done.code === 0;
  };

  for (const [number, [rules, perCaller]] of samples.entries()) {
    const title = `${rules.strict ? 'strict' : 'permissive'}, ${rules.allow.length} allow, ${rules.deny.length} deny`;
    it(`mesh ${number}: ${title}, otherwise ${rules.verdict}`, async () => {
      await mesh.save(meshYaml(target, number, rules));
      await inForce(number);
      const differences: string[] = [];
      for (const [index, caller] of CALLERS.entries()) {
        for (const [method, path] of perCaller[index] ?? []) {
          const [status, allowed] = [await enforced(caller, method, path), await predicted(caller, method, path)];
          if (status === 200) seen.allowed++;
          else if (status === 400) seen.unreadable++;
          else seen.denied++;
          const agree = allowed ? status === 200 : [0, 400, 403].includes(status);
          if (!agree) differences.push(`${caller} ${method} ${path}: Envoy ${status}, can ${allowed}`);
        }
      }
      assert.deepEqual(differences, [], meshYaml(target, number, rules));
    });
  }

  it('and every kind of answer was among them, often', () => {
    for (const [kind, count] of Object.entries(seen)) assert.ok(count > 100, `${kind}: ${count}`);
  });
});

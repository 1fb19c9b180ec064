import assert from 'node:assert/strict';
import { complaints, meshOf, portOf, prod, serviceOf } from './load.ts';

const modes = (mesh: string, namespace: string, service: string, port: string): string => {
  const line = (mtls: string): string => (mtls === '' ? '' : `mtls: ${mtls}`);
  const text = `mesh: { trustDomain: a, ${line(mesh)} }
namespaces:
  prod:
    ${line(namespace) || '{}'}
    ${line(namespace) === '' ? '' : '#'}
`;
  const body = `    services:
      web:
        ${line(service)}
        ports: { http: { port: 80, protocol: http, ${line(port)} } }
`;
  return portOf(meshOf(`${text.replace('    {}\n', '')}${body}`), 'prod/web', 'http').mtls.mode;
};

describe('mtls', () => {
  it('is strict where nothing is said', () => assert.equal(modes('', '', '', ''), 'strict'));
  it('takes the narrowest: port, service, namespace, mesh', () => {
    assert.equal(modes('disable', '', '', ''), 'disable');
    assert.equal(modes('disable', 'strict', '', ''), 'strict');
    assert.equal(modes('strict', 'strict', 'disable', ''), 'disable');
    assert.equal(modes('strict', 'strict', 'disable', 'strict'), 'strict');
  });
  it('keeps the end of permissive, and the line that says so', () => {
    const mesh = meshOf(
      prod('web: { ports: [80/http] }', 'mtls: { mode: permissive, until: 2027-06-30T02:00:00+02:00 }'),
    );
    const { mtls } = portOf(mesh, 'prod/web', 'http');
    assert.deepEqual(mtls, {
      mode: 'permissive',
      until: Date.parse('2027-06-30T00:00:00Z'),
      then: 'strict',
      location: { file: 'mesh.yaml', line: 3, column: 9 },
    });
  });
  it('that has ended loads with a warning and is the same mesh', () => {
    const text = prod('web: { ports: [80/http] }', 'mtls: { mode: permissive, until: 2027-06-30T00:00:00Z }');
    assert.deepEqual(complaints(text, { now: Date.parse('2027-06-29T23:59:59Z') }), []);
    const [warning] = complaints(text, { now: Date.parse('2027-06-30T00:00:00Z') });
    assert.match(warning ?? '', /^mesh\.yaml:3:36 SIG0304 warning: /);
    assert.deepEqual(meshOf(text, { now: 0 }), meshOf(text, { now: Date.parse('2030-01-01T00:00:00Z') }));
  });
});

describe('certificates.curve', () => {
  it('is P-256 where nothing is said, or P-384, and nothing else', () => {
    const curve = (text: string) => meshOf(`mesh: { trustDomain: a, certificates: { ${text} } }\n`).certificates.curve;
    assert.deepEqual([curve('ttl: 1h'), curve('curve: P-256'), curve('curve: P-384')], ['P-256', 'P-256', 'P-384']);
    const [wrong] = complaints('mesh: { trustDomain: a, certificates: { curve: P-521 } }\n');
    assert.match(wrong ?? '', /^mesh\.yaml:1:48 SIG0204 .*P-521.* is not one of P-256 or P-384/);
  });
});

describe('certificates.rootLife', () => {
  it('is ten years where nothing is said, and ten times ttl at least', () => {
    const life = (text: string) =>
      meshOf(`mesh: { trustDomain: a, certificates: { ${text} } }\n`).certificates.rootLife;
    assert.deepEqual(
      [life('ttl: 1h'), life('ttl: 1h, rootLife: 10h'), life('rootLife: 240h')],
      [3650 * 86_400_000, 36_000_000, 864_000_000],
    );
    const bad = (text: string) => complaints(`mesh: { trustDomain: a, certificates: { ${text} } }\n`)[0] ?? '';
    assert.match(
      bad('ttl: 1h, rootLife: 9h'),
      /:1:60 SIG0308 a root that lives for 9h cannot .* \(10h or more: ten times/,
    );
    assert.match(bad('rootLife: 239h'), /SIG0308 .*certificates that live for 1d \(10d or more/);
    assert.match(bad('rootLife: 99s'), /SIG0209 99s is out of bounds \(write 1m40s to 36500d/);
    assert.match(bad('rootLife: never'), /SIG0209 never is not a duration/);
  });
});

describe('a namespace called default', () => {
  it('is what top-level services are short for', () => {
    const mesh = meshOf('mesh: { trustDomain: a }\nservices: { web: {} }\n');
    assert.equal(serviceOf(mesh, 'default/web').identity, 'spiffe://a/ns/default/sa/web');
  });
  it('may be written both ways, but no service twice', () => {
    const both =
      'mesh: { trustDomain: a }\nservices: { web: {} }\nnamespaces: { default: { services: { api: {}, WEB } } }\n';
    assert.equal(meshOf(both.replace(', WEB', '')).services.size, 2);
    const [twice] = complaints(both.replace('WEB', 'web: {}'));
    assert.match(twice ?? '', /:2:\d+ SIG0401 the service default\/web is defined twice \(the first is at \S+:3\)/);
  });
});

describe('the environment', () => {
  const text = (value: string): string =>
    prod(`web: { labels: { zone: "${value}" }, ports: { http: { port: "\${PORT:-8080}", protocol: http } } }`);
  it('is replaced in values', () => {
    const mesh = meshOf(text(`eu-\${ZONE}-\${X:-1}`), { env: { ZONE: 'b', PORT: '9' } });
    assert.equal(serviceOf(mesh, 'prod/web').labels.zone, 'eu-b-1');
    assert.equal(portOf(mesh, 'prod/web', 'http').port, 9);
    assert.equal(portOf(meshOf(text('a')), 'prod/web', 'http').port, 8080);
  });
  it('stays text where text is expected, and never becomes structure', () => {
    const mesh = meshOf(text(`\${ZONE}`), { env: { ZONE: `{ a: [b] } # \${PORT}` } });
    assert.equal(serviceOf(mesh, 'prod/web').labels.zone, `{ a: [b] } # \${PORT}`);
    assert.equal(serviceOf(meshOf(text(`\${ZONE}`), { env: { ZONE: '7' } }), 'prod/web').labels.zone, '7');
  });
  it('does not see what objects have by nature', () => {
    assert.match(
      complaints(text(`\${constructor}`))[0] ?? '',
      /SIG0115 the environment variable constructor is not set/,
    );
  });
  it('is part of what the mesh says', () => {
    const revision = (zone: string): string => meshOf(text(`\${ZONE}`), { env: { ZONE: zone } }).revision;
    assert.notEqual(revision('a'), revision('b'));
    assert.equal(revision('a'), meshOf(text('a')).revision);
  });
});

describe('rules', () => {
  it('come from the mesh, then the namespace, then the service, with ports by number of each service', () => {
    const mesh = meshOf(`mesh:
  trustDomain: a
  deny: [{ from: prod/x, to: { ports: [admin] } }]
namespaces:
  prod:
    allow: [x]
    services:
      x: {}
      one: { ports: { http: 80/http, admin: 81/http }, allow: [{ from: x, to: { not: { ports: [admin] } } }] }
      two: { ports: { http: 80/http, admin: 91/http } }
      three: { ports: { http: 80/http } }
`);
    const summary = (key: 'prod/one' | 'prod/two' | 'prod/three'): unknown =>
      serviceOf(mesh, key).rules.map(({ action, to }) => [action, to]);
    assert.deepEqual(summary('prod/one'), [
      ['deny', [{ ports: [81] }]],
      ['allow', [{}]],
      ['allow', [{ not: { ports: [81] } }]],
    ]);
    assert.deepEqual(summary('prod/two'), [
      ['deny', [{ ports: [91] }]],
      ['allow', [{}]],
    ]);
    assert.deepEqual(summary('prod/three'), [['allow', [{}]]]);
  });
  it('take callers in every form', () => {
    const mesh = meshOf(
      prod(`web: {}
api:
  ports: [80/http]
  allow:
    - from: [web, "prod/*", "*", spiffe://elsewhere.example/ns/x/sa/y, spiffe://shop.example/ns/gone/sa/z, anyone]
    - from: { principals: [prod/web], namespaces: [prod], not: { principals: web } }
`),
    );
    const [first, second] = serviceOf(mesh, 'prod/api').rules;
    assert.deepEqual(first?.from, [
      { kind: 'anyone' },
      {
        kind: 'identity',
        principals: [
          { kind: 'id', id: 'spiffe://shop.example/ns/prod/sa/web' },
          { kind: 'namespace', namespace: 'prod' },
          { kind: 'mesh' },
          { kind: 'id', id: 'spiffe://elsewhere.example/ns/x/sa/y' },
          { kind: 'id', id: 'spiffe://shop.example/ns/gone/sa/z' },
        ],
      },
    ]);
    const web = { kind: 'id', id: 'spiffe://shop.example/ns/prod/sa/web' };
    assert.deepEqual(second?.from, [
      { kind: 'identity', principals: [web], namespaces: ['prod'], not: { principals: [web] } },
    ]);
  });
  it('that are broken are all reported, though the first breaks its service', () => {
    const found = complaints(
      prod(`web: { ports: [80/htp], allow: [{ from: nobody }, { fron: web }, { from: web, to: /a* }] }
api: { uses: { web:htp: 9001, wbe: 9002 } }
`),
    );
    assert.deepEqual(
      found.map((line) => line.split(' ')[1]),
      ['SIG0403', 'SIG0502', 'SIG0201', 'SIG0507', 'SIG0411'],
    );
  });
});

import assert from 'node:assert/strict';
import { nextChange } from '../../../src/plan/nextChange.ts';
import { meshFrom, NOW, planOf } from '../../support/plans.ts';

const upstreamsOf = (mesh: ReturnType<typeof meshFrom>, service: `${string}/${string}`, now = NOW): readonly string[] =>
  planOf(mesh, service, now).upstreams.map((upstream) => `${upstream.service}:${upstream.port}`);

describe('what a sidecar is told about', () => {
  const mesh = meshFrom(`
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: [refused] }
      granted: { ports: [8080:1/http], allow: [web] }
      everybody: { ports: [8080:1/http], allow: ["*"] }
      neighbours: { ports: [8080:1/http], allow: [prod/*] }
      proven: { ports: [8080:1/http], allow: [{ from: { not: { principals: [web] } } }] }
      ended: { ports: [8080:1/http], allow: [{ from: web, until: 2026-01-01T00:00:00Z }] }
      refused: { ports: [8080:1/http] }
      unknown: { ports: [8080:1/http], allow: [granted] }
      part: { ports: { a: 8080:1/http, b: 8081:2/http }, allow: [{ from: web, to: { ports: [b] } }] }
  other:
    services:
      far: {}
`);

  it('is what some allow rule lets it call, ended rules too, and what it names in uses', () => {
    assert.deepEqual(upstreamsOf(mesh, 'prod/web'), [
      'prod/ended:8080',
      'prod/everybody:8080',
      'prod/granted:8080',
      'prod/neighbours:8080',
      'prod/part:8081',
      'prod/refused:8080',
    ]);
  });

  it('is nothing of what only others may call', () => {
    assert.deepEqual(upstreamsOf(mesh, 'other/far'), ['prod/everybody:8080', 'prod/proven:8080']);
  });

  it('has a short name only within its namespace', () => {
    const hosts = (service: `${string}/${string}`): readonly string[] =>
      planOf(mesh, service).outbound.routes.find(({ upstream }) => upstream === 'prod/everybody:8080')?.hosts ?? [];
    assert.ok(hosts('prod/web').includes('everybody'));
    assert.ok(!hosts('other/far').includes('everybody'));
    assert.ok(hosts('other/far').includes('everybody.prod'));
  });
});

describe('what time does to a plan', () => {
  const deadline = Date.parse('2027-06-30T00:00:00Z');
  const mesh = meshFrom(`
mesh: { trustDomain: shop.example }
services:
  web: {}
  ledger:
    mtls: { mode: permissive, until: 2027-06-30T00:00:00Z, then: strict }
    ports: { http: 8080:1/http, raw: 9090:2/tcp }
    allow: [{ from: web, until: 2027-03-01T00:00:00Z }]
`);
  const port = (now: number, name: string) => {
    const found = planOf(mesh, 'default/ledger', now).inbound.find((inbound) => inbound.name === name);
    assert.ok(found);
    return found;
  };

  it('permissive is strict at its deadline and not before', () => {
    assert.equal(port(deadline - 1, 'http').mtls, 'permissive');
    assert.equal(port(deadline, 'http').mtls, 'strict');
  });

  it('an ended grant leaves a tcp port closed to everybody', () => {
    const allowed = (now: number) => port(now, 'raw').access.allow;
    assert.equal(allowed(NOW).length, 1);
    assert.deepEqual(allowed(Date.parse('2027-03-01T00:00:00Z')), []);
  });

  it('an ended grant stays in an http plan, for Envoy ends it itself', () => {
    assert.deepEqual(port(deadline, 'http').access, port(NOW, 'http').access);
  });

  it('an endpoint without a sidecar is called until the deadline and not after it', () => {
    const open = meshFrom(`
mesh: { trustDomain: shop.example }
services:
  web: { uses: [files] }
  files:
    mtls: { mode: permissive, until: 2027-06-30T00:00:00Z, then: strict }
    ports: [8080:1/http]
    endpoints: [{ address: 192.0.2.1 }, { address: 192.0.2.2, mtls: disable }]
`);
    const addresses = (now: number) => planOf(open, 'default/web', now).upstreams[0]?.endpoints.map((e) => e.address);
    assert.deepEqual(addresses(deadline - 1), ['192.0.2.1', '192.0.2.2']);
    assert.deepEqual(addresses(deadline), ['192.0.2.1']);
  });

  it('an ended deny of TCP leaves the plan, as an ended allow does', () => {
    const denied = meshFrom(`
mesh: { trustDomain: shop.example, authorization: allow }
services:
  web: {}
  ledger: { ports: [9090:2/tcp], deny: [{ from: web, until: 2027-06-30T00:00:00Z }] }
`);
    const deny = (now: number) => planOf(denied, 'default/ledger', now).inbound[0]?.access.deny.length;
    assert.equal(deny(deadline - 1), 1);
    assert.equal(deny(deadline), 0);
  });

  it('is foretold by nextChange, moment by moment', () => {
    const grant = Date.parse('2027-03-01T00:00:00Z');
    assert.equal(nextChange(mesh, NOW), grant);
    assert.equal(nextChange(mesh, grant), deadline);
    assert.equal(nextChange(mesh, deadline), undefined);
  });
});

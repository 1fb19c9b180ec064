import assert from 'node:assert/strict';
import fc from 'fast-check';
import { emitProxy } from '../../../src/emit/emitProxy.ts';
import { carryOver } from '../../../src/model/carryOver.ts';
import { planProxy } from '../../../src/plan/planProxy.ts';
import type { EndpointTable } from '../../../src/plan/proxyPlan.ts';
import { emittedOf, meshFrom, NOW, planOf } from '../../support/plans.ts';

const SERVICES = [
  'web: { uses: { ledger: 9002 } }',
  'twin: { identity: web }',
  'orders: { ports: [8080:3000/http], allow: [{ from: web, to: [GET /orders/*, "*.png"] }], deny: [{ to: /admin/* }] }',
  'ledger: { ports: [9090:3003/tcp], allow: [web, orders] }',
  'audit: { ports: { http: 8080:3000/http, raw: 9090:3001/tcp }, mtls: disable, allow: [anyone] }',
];
const text = (services: readonly string[]): string =>
  `mesh: { trustDomain: shop.example }\nservices:\n${services.map((line) => `  ${line}\n`).join('')}`;

const versions = (meshText: string, service: `${string}/${string}`): ReadonlyMap<string, string> =>
  new Map([...emittedOf(planOf(meshFrom(meshText), service))].map(([name, { version }]) => [name, version]));

describe('what is emitted', () => {
  it('is the same bytes in whatever order the file says it', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(SERVICES, { minLength: SERVICES.length }), (shuffled) => {
        for (const service of ['default/web', 'default/orders', 'default/audit'] as const) {
          assert.deepEqual(versions(text(shuffled), service), versions(text(SERVICES), service));
        }
      }),
      { numRuns: 30 },
    );
  });

  it('does not change when a comment moves every rule to another line', () => {
    const moved = text(SERVICES).replace('services:', '# a word\n\nservices:');
    assert.deepEqual(versions(moved, 'default/ledger'), versions(text(SERVICES), 'default/ledger'));
  });

  it('the mode of mTLS is a matter of the listener: no route lets more through before the other of the two has followed', () => {
    const mesh = (mode: string): string => `mesh: { trustDomain: shop.example }
services:
  web: {}
  orders: { ports: [8080:3000/http], mtls: ${mode}, allow: [anyone], deny: [web] }
`;
    const [strict, disabled] = ['strict', 'disable'].map((mode) => versions(mesh(mode), 'default/orders'));
    const changed = [...(strict ?? [])].filter(([name, version]) => disabled?.get(name) !== version);
    assert.deepEqual(changed.map(([name]) => name).sort(), ['Cluster default/orders/8080', 'Listener inbound/8080']);
  });

  it('a policy on HTTP changes one route and no listener, so no connection is touched', () => {
    const before = versions(text(SERVICES), 'default/orders');
    const after = versions(text(SERVICES).replace('/orders/*', '/other/*'), 'default/orders');
    const changed = [...after].filter(([name, version]) => before.get(name) !== version).map(([name]) => name);
    assert.deepEqual(changed, ['RouteConfiguration inbound/8080']);
  });

  it('a policy on TCP changes that listener alone', () => {
    const before = versions(text(SERVICES), 'default/audit');
    const after = versions(
      text(SERVICES).replace('allow: [anyone]', 'allow: [{ from: anyone, to: { ports: [http] } }]'),
      'default/audit',
    );
    const changed = [...after].filter(([name, version]) => before.get(name) !== version).map(([name]) => name);
    assert.deepEqual(changed, ['Listener inbound/9090']);
  });

  it('a local port that is the shared one keeps a name of its own, and never takes the other away', () => {
    const mesh = meshFrom(text(SERVICES.map((line) => line.replace('ledger: 9002', 'ledger: 15001'))));
    const listeners = emitProxy(planOf(mesh, 'default/web')).filter(({ type }) => type.endsWith('.Listener'));
    assert.deepEqual(listeners.map(({ name }) => name).sort(), ['outbound/15001', 'outbound/15001/local']);
  });

  it('removes every spelling of the headers that tell an application who calls', () => {
    const listener = emittedOf(planOf(meshFrom(text(SERVICES)), 'default/orders')).get('Listener inbound/8080');
    const bytes = Buffer.from(listener?.any ?? []).toString('latin1');
    const removed = [...bytes.matchAll(/\(\?i\)(x[-_[\]a-z.*]+)/g)].map(([, expression]) => expression ?? '');
    const isRemoved = (name: string): boolean =>
      removed.some((expression) => new RegExp(`^(?:${expression})$`, 'i').test(name));
    for (const name of ['x-forwarded-client-cert', 'X_Forwarded-Client_Cert', 'x-envoy-original-path', 'x_envoy_a'])
      assert.ok(isRemoved(name), name);
    for (const name of ['x-forwarded-for', 'x-request-id', 'x-envoys']) assert.ok(!isRemoved(name), name);
  });

  it('offers no HTTP/2 by ALPN where plaintext endpoints make all calls HTTP/1.1', () => {
    const clusterOf = (second: string): string => {
      const orders = `orders: { mtls: { mode: permissive, until: 2099-01-01T00:00:00Z }, ports: [8080:3000/http], allow: [web], endpoints: [{ address: 192.0.2.1 }, ${second}] }`;
      const cluster = emittedOf(planOf(meshFrom(text(['web: {}', orders])), 'default/web')).get(
        'Cluster default/orders/8080',
      );
      return Buffer.from(cluster?.any ?? []).toString('latin1');
    };
    // The protocol list of the TLS context: field 4, a length and the bytes.
    const h2 = '\x22\x02h2';
    assert.ok(clusterOf('{ address: 192.0.2.2 }').includes(h2));
    const mixed = clusterOf('{ address: 192.0.2.2, mtls: disable }');
    assert.ok(!mixed.includes(h2) && mixed.includes('\x22\x08http/1.1'));
  });

  it('writes no moment that Envoy cannot read', () => {
    const orders = 'orders: { ports: [8080:3000/http], deny: [{ to: GET, until: "9999-12-31T23:59:59-10:00" }] }';
    const route = emittedOf(planOf(meshFrom(text([orders])), 'default/orders')).get('RouteConfiguration inbound/8080');
    const bytes = Buffer.from(route?.any ?? []).toString('latin1');
    assert.ok(bytes.includes('9999-12-31T23:59:59.999Z') && !bytes.includes('10000-'));
  });

  it('is encoded once for all sidecars of one identity, and endpoints for all sidecars', () => {
    const mesh = meshFrom(text(SERVICES));
    const of = (service: `${string}/${string}`) => emittedOf(planOf(mesh, service));
    const name = 'Cluster default/ledger/9090';
    assert.ok(of('default/web').get(name));
    assert.equal(of('default/web').get(name), of('default/twin').get(name));
    const endpoints = 'ClusterLoadAssignment default/ledger/9090';
    assert.deepEqual(of('default/orders').get(endpoints)?.any, of('default/web').get(endpoints)?.any);
    assert.notDeepEqual(of('default/orders').get(name)?.any, of('default/web').get(name)?.any);
  });

  it('is encoded once for all instances of a service but for the listener, which says where it listens', () => {
    const mesh = meshFrom(text(SERVICES));
    const emittedAt = (address: string): ReadonlyMap<string, unknown> => {
      const ref = { service: 'default/orders', address, outbound: { host: '127.0.0.1', port: 15001 } } as const;
      const plan = planProxy(mesh, NOW, ref, new Map());
      assert.ok(plan);
      return emittedOf(plan);
    };
    const [one, other] = [emittedAt('10.0.0.7'), emittedAt('10.0.0.8')];
    const own = [...one].filter(([name, emitted]) => other.get(name) !== emitted).map(([name]) => name);
    assert.deepEqual(own, ['Listener inbound/8080']);
  });

  it('is one new assignment for all callers where endpoints come or go', () => {
    const mesh = meshFrom(text(SERVICES));
    const of = (service: `${string}/${string}`, endpoints: EndpointTable) =>
      emittedOf(planOf(mesh, service, NOW, endpoints));
    const at = (...addresses: readonly string[]): EndpointTable =>
      new Map([['default/ledger', addresses.map((address) => ({ address, ports: {}, mtls: 'sidecar' as const }))]]);
    const [one, two] = [at('10.0.0.1'), at('10.0.0.1', '10.0.0.2')];
    const [before, after] = [of('default/web', one), of('default/web', two)];
    const moved = [...after].filter(([name, emitted]) => before.get(name) !== emitted).map(([name]) => name);
    assert.deepEqual(moved, ['ClusterLoadAssignment default/ledger/9090']);
    assert.equal(of('default/orders', two).get(moved[0] ?? ''), after.get(moved[0] ?? ''));
  });

  it('is made anew after a save only for what the save changed', async () => {
    const before = meshFrom(text(SERVICES));
    const web = emittedOf(planOf(before, 'default/web'));
    const ledger = emittedOf(planOf(before, 'default/ledger'));
    const after = await carryOver(before, meshFrom(text(SERVICES).replace('/orders/*', '/other/*')));
    const again = (service: `${string}/${string}`) => emittedOf(planOf(after, service));
    assert.deepEqual([...again('default/ledger')], [...ledger]);
    for (const [name, emitted] of again('default/ledger')) assert.equal(emitted, ledger.get(name), name);
    // A caller is told nothing of the policy.
    for (const name of ['Cluster default/orders/8080', 'ClusterLoadAssignment default/orders/8080']) {
      assert.ok(web.has(name), name);
      assert.equal(again('default/web').get(name), web.get(name), name);
    }
    assert.notEqual(
      again('default/orders').get('RouteConfiguration inbound/8080')?.version,
      emittedOf(planOf(before, 'default/orders')).get('RouteConfiguration inbound/8080')?.version,
    );
  });

  it('tells callers of a port that became another one, by the line where it stands now', async () => {
    const before = meshFrom(text(SERVICES));
    const cluster = 'Cluster default/orders/8080';
    const of = async (changed: string) => {
      const mesh = await carryOver(before, meshFrom(changed));
      return emittedOf(planOf(mesh, 'default/web')).get(cluster);
    };
    const old = emittedOf(planOf(before, 'default/web')).get(cluster);
    assert.ok(old?.source);
    const moved = await of(text(SERVICES).replace('services:', 'services: # some words\n'));
    assert.deepEqual([moved?.version, moved?.source?.line], [old.version, old.source.line + 1]);
    assert.equal(moved?.any, old.any);
    for (const [words, others] of [
      ['[8080:3000/http], allow: [{', '[8080:3000/grpc], allow: [{'],
      ['orders: { ports', 'orders: { identity: others, ports'],
    ] as const) {
      const changed = await of(text(SERVICES).replace('[web, orders]', '[web]').replace(words, others));
      assert.notEqual(changed?.version ?? old.version, old.version, others);
    }
    assert.deepEqual(await of(text(SERVICES)), old);
  });

  it('has names that no two resources of a type share', () => {
    const plan = planOf(meshFrom(text(SERVICES)), 'default/web');
    assert.equal(emittedOf(plan).size, emitProxy(plan).length);
  });

  it('opens no listener that shares its port', () => {
    for (const service of ['default/web', 'default/orders', 'default/ledger', 'default/audit'] as const) {
      for (const emitted of emitProxy(planOf(meshFrom(text(SERVICES)), service))) {
        if (!emitted.type.endsWith('.Listener')) continue;
        // enable_reuse_port (field 29) as a wrapper that says false: tag 0xea 0x01, length 0.
        assert.ok(Buffer.from(emitted.any).includes(Buffer.from([0xea, 0x01, 0x00])), emitted.name);
      }
    }
  });
});

import assert from 'node:assert/strict';
import { assemble } from '../../../src/control/assemble.ts';
import { checkHealth } from '../../../src/control/health/checks.ts';
import { withHeldBack } from '../../../src/control/heldBack.ts';
import type { StreamId } from '../../../src/control/sidecar.ts';
import { emitParts, emitProxy } from '../../../src/emit/emitProxy.ts';
import type { Service } from '../../../src/model/mesh.ts';
import type { ProxyPlan } from '../../../src/plan/proxyPlan.ts';
import { type Snapshot, TYPE, type TypeName } from '../../../src/xds/resource.ts';
import { TestControl } from '../../support/controlPlane.ts';
import { NO_ROTATION } from '../../support/idleRotation.ts';
import { meshFrom, planOf } from '../../support/plans.ts';

const meshOf = (path: string, more = ''): string => `mesh: { trustDomain: shop.example }
services:
  web: {}
  orders:
    ports: { a: 8080:3000/http, b: 8081:3001/http${more} }
    allow: [{ from: web, to: GET /${path} }]
`;

const plan = (path: string, more?: string): ProxyPlan => planOf(meshFrom(meshOf(path, more)), 'default/orders');

/** The first port of this plan listens where no port is: its listener cannot be encoded. */
const broken = (good: ProxyPlan): ProxyPlan => ({
  ...good,
  inbound: good.inbound.map((port, at) => (at === 0 ? { ...port, bind: { ...port.bind, port: 2 ** 40 } } : port)),
});

const versionsOf = (snapshot: Snapshot, type: TypeName): Readonly<Record<string, string>> =>
  Object.fromEntries([...(snapshot.get(TYPE[type]) ?? [])].map(([name, { version }]) => [name, version]));

describe('a part of a plan that cannot be encoded', () => {
  it('is named with its line and its resource, and is not there by halves', () => {
    const { emitted, faults } = emitParts(broken(plan('x')));
    assert.equal(faults.length, 1);
    const message = /^mesh\.yaml:\d+ envoy\.config\.listener\.v3\.Listener inbound\/8080 cannot be encoded: ./;
    assert.match(faults[0]?.message ?? '', message);
    const names = emitted.map(({ name }) => name);
    assert.ok(names.includes('inbound/8081') && names.includes('outbound/15001'));
    assert.deepEqual(
      names.filter((name) => /8080/.test(name)),
      [],
    );
    assert.throws(() => emitProxy(broken(plan('x'))), { message });
  });

  it('stays as it was, and all else is as the file says', () => {
    const before = assemble(emitProxy(plan('old', ', c: 8082:3002/http')), []);
    const next = emitParts(broken(plan('new')));
    const after = assemble(withHeldBack(next.emitted, next.faults, before), [], before);
    const fresh = assemble(emitProxy(plan('new')), []);
    const [was, is, wanted] = [before, after, fresh].map((snapshot) => versionsOf(snapshot, 'rds'));
    assert.equal(is?.['inbound/8080'], was?.['inbound/8080']);
    assert.equal(is?.['inbound/8081'], wanted?.['inbound/8081']);
    assert.notEqual(is?.['inbound/8080'], wanted?.['inbound/8080']);
    assert.deepEqual(Object.keys(versionsOf(after, 'lds')).sort(), ['inbound/8080', 'inbound/8081', 'outbound/15001']);
    assert.ok('app/8080/127.0.0.1:3000' in versionsOf(after, 'cds'));
  });

  it('is not there for a sidecar that never had it', () => {
    const { emitted, faults } = emitParts(broken(plan('x')));
    assert.deepEqual(withHeldBack(emitted, faults, undefined), emitted);
  });
});

describe('a running control plane with such a part', () => {
  it('keeps that part back, sends the others, and says so in status and check', async () => {
    const test = await TestControl.start(`mesh: { trustDomain: shop.example }
services:
  orders: { ports: [8080:3000/http], allow: [ledger] }
  ledger: { ports: [9090:3001/http], allow: [orders] }
`);
    try {
      const orders = await test.connect(await test.token('default/orders'), 'default/orders/a', '10.0.0.1');
      const settled = { kind: 'progress', progress: 'settled', held: new Map(), at: 0 } as const;
      const before = test.resources(orders, 'lds');
      // No file can say this: Signet would have to be wrong.
      const { services } = test.control.meshState().mesh;
      const service = services.get('default/orders');
      assert.ok(service);
      const target = { kind: 'tcp', host: '127.0.0.1', port: 2 ** 40 } as const;
      const wrong: Service = { ...service, ports: service.ports.map((port) => ({ ...port, target })) };
      Map.prototype.set.call(services, service.key, wrong);
      await test.connect(await test.token('default/ledger'), 'default/ledger/a', '10.0.0.9');

      assert.match(test.resources(orders, 'eds').join(), /10\.0\.0\.9/);
      assert.deepEqual(test.resources(orders, 'lds'), before);
      assert.match(test.resources(orders, 'cds').join(), /app\/8080\/127\.0\.0\.1:3000/);
      const { findings } = checkHealth({ ...(await test.control.health()), version: '1', ...NO_ROTATION });
      const { level, message } = findings.find(({ code }) => code === 'CHK0303') ?? {};
      assert.equal(level, 'failure');
      assert.match(message ?? '', /default\/orders\/a: .*mesh\.yaml:3 .*Cluster app\/8080\/\S+ cannot be encoded/);
      test.event({ ...settled, stream: orders as StreamId });
      const [shown] = test.control.status().sidecars.filter(({ node }) => node === 'default/orders/a');
      assert.equal(shown?.progress, 'refused');
    } finally {
      await test.close();
    }
  });
});

import assert from 'node:assert/strict';
import { EXAMPLE, meshOf, portOf, serviceOf } from './load.ts';

describe('the example of the reference', () => {
  const mesh = meshOf(EXAMPLE);

  it('loads with its defaults', () => {
    assert.equal(mesh.trustDomain, 'shop.example');
    assert.equal(mesh.certificates.ttl, 86_400_000);
    assert.equal(mesh.rejoin, 7 * 86_400_000);
    assert.deepEqual([...mesh.services.keys()], ['prod/debug', 'prod/orders', 'prod/payments', 'prod/web']);
  });

  it('reads ports in both forms', () => {
    const ledger = portOf(mesh, 'prod/payments', 'ledger');
    assert.equal(ledger.port, 9090);
    assert.equal(ledger.protocol, 'tcp');
    assert.deepEqual(ledger.target, { kind: 'tcp', host: '127.0.0.1', port: 3003 });
    assert.equal(portOf(mesh, 'prod/web', 'http').port, 8080);
  });

  it('resolves what is used, by port name and without', () => {
    const uses = serviceOf(mesh, 'prod/web').uses.map(({ service, port, localPort }) => ({ service, port, localPort }));
    assert.deepEqual(uses, [
      { service: 'prod/orders', port: 8080, localPort: 9001 },
      { service: 'prod/payments', port: 9090, localPort: 9002 },
    ]);
  });

  it('resolves callers, calls and ends', () => {
    const rules = serviceOf(mesh, 'prod/payments').rules;
    const deny = rules.find(({ action }) => action === 'deny');
    assert.deepEqual(deny?.from, [{ kind: 'anyone' }]);
    assert.deepEqual(deny?.to, [{ paths: [{ kind: 'prefix', path: '/admin' }] }]);
    const grant = rules.find(({ name }) => name === 'debug-shell');
    assert.equal(grant?.until, Date.parse('2027-06-30T12:00:00Z'));
    assert.deepEqual(grant?.from, [
      { kind: 'identity', principals: [{ kind: 'id', id: 'spiffe://shop.example/ns/prod/sa/debug' }] },
    ]);
    const ledger = rules.find(({ to }) => to.some(({ ports }) => ports !== undefined));
    assert.deepEqual(ledger?.to, [{ ports: [9090] }]);
  });

  it('is frozen to the bottom', () => {
    const rule = serviceOf(mesh, 'prod/orders').rules[0];
    for (const value of [mesh, mesh.services, serviceOf(mesh, 'prod/web'), rule, rule?.from, rule?.to[0]?.paths])
      assert.ok(Object.isFrozen(value));
    assert.throws(() => (mesh.services as Map<string, unknown>).set('a/b', {}), TypeError);
  });

  it('says where each thing stands', () => {
    const line = (text: string): number => EXAMPLE.split('\n').findIndex((candidate) => candidate.includes(text)) + 1;
    const web = serviceOf(mesh, 'prod/web');
    assert.equal(web.location.line, line('web:'));
    assert.equal(web.uses[1]?.location.line, line('payments:ledger'));
    // Namespace `prod` has an mtls line of its own, which is the one that decides.
    assert.equal(portOf(mesh, 'prod/web', 'http').mtls.location.line, line('narrowest wins'));
    assert.equal(serviceOf(mesh, 'prod/payments').rules.at(-1)?.location.line, line('debug-shell'));
  });
});

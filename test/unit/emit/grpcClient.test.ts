import assert from 'node:assert/strict';
import { emitGrpcClient } from '../../../src/emit/grpcClient.ts';
import { showJson } from '../../../src/emit/showJson.ts';
import { meshFrom, planOf } from '../../support/plans.ts';

const MESH = `
mesh: { trustDomain: shop.example }
services:
  web: { uses: [payments, plain, pages, named] }
  payments:
    ports: [8080:3000/grpc]
    endpoints: [{ address: 10.0.0.1, ports: { grpc: 8080 } }]
  plain: { ports: [8081:3000/http2], mtls: disable }
  pages: { ports: [8082:3000/http] }
  named: { ports: [8083:3000/grpc], endpoints: [{ address: named-1, ports: { grpc: 8083 } }] }
`;

describe('what a gRPC client without a sidecar is sent', () => {
  const emitted = emitGrpcClient(planOf(meshFrom(MESH), 'default/web'));
  const find = (type: string, name: string) => {
    const found = emitted.find((one) => one.type.endsWith(type) && one.name === name);
    assert.ok(found, `${type} ${name}`);
    return JSON.stringify(showJson([found]));
  };

  it('is a listener for each name of each upstream that speaks HTTP/2, and nothing of its own', () => {
    const listeners = emitted.filter(({ type }) => type.endsWith('.Listener')).map(({ name }) => name);
    const namesOf = (service: string, port: number): readonly string[] =>
      [service, `${service}.default`, `${service}.default.mesh`].flatMap((name) => [name, `${name}:${port}`]);
    assert.deepEqual(
      listeners.sort(),
      [...namesOf('payments', 8080), ...namesOf('plain', 8081), ...namesOf('named', 8083)].sort(),
    );
  });

  it('calls a strict port with mTLS and accepts its identity alone', () => {
    assert.match(find('.Cluster', 'default/payments/8080'), /spiffe:\/\/shop\.example\/ns\/default\/sa\/payments/);
    assert.doesNotMatch(find('.Cluster', 'default/plain/8081'), /tls/);
  });

  it('has endpoints by address with a weight, without which gRPC skips them, and none by host name', () => {
    assert.match(find('.ClusterLoadAssignment', 'default/payments/8080'), /10\.0\.0\.1.*load_?balancing_?weight/i);
    assert.doesNotMatch(find('.ClusterLoadAssignment', 'default/named/8083'), /named-1/);
  });
});

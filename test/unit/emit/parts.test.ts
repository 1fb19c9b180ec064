import assert from 'node:assert/strict';
import { emitSecrets } from '../../../src/emit/emitSecrets.ts';
import type { Emitted } from '../../../src/emit/emitted.ts';
import { bytesOf } from '../../../src/envoy/pack.ts';
import { Cluster } from '../../../src/gen/envoy/config/cluster/v3/cluster.ts';
import { ClusterLoadAssignment } from '../../../src/gen/envoy/config/endpoint/v3/endpoint.ts';
import { Listener } from '../../../src/gen/envoy/config/listener/v3/listener.ts';
import { RouteConfiguration } from '../../../src/gen/envoy/config/route/v3/route.ts';
import { Secret } from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import {
  DownstreamTlsContext,
  UpstreamTlsContext,
} from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/tls.ts';
import { Any } from '../../../src/gen/google/protobuf/any.ts';
import { secret } from '../../../src/lib/secret.ts';
import type { SpiffeId, TrustDomain } from '../../../src/spiffe/spiffeId.ts';
import { emittedOf, meshFrom, NOW, planOf } from '../../support/plans.ts';

/** Read by the generated code and encoded by it once more, with the TLS context of each transport socket. */
const recoded = (any: Any): Buffer => {
  const type = any.typeUrl.slice(any.typeUrl.indexOf('/') + 1);
  const codec = [Cluster, ClusterLoadAssignment, Listener, RouteConfiguration, Secret].find(
    (one) => one.$type === type,
  );
  assert.ok(codec, type);
  const message = codec.decode(any.value);
  const sockets =
    'filterChains' in message
      ? message.filterChains.map((chain) => chain.transportSocket)
      : 'edsClusterConfig' in message
        ? [message.transportSocket]
        : [];
  for (const socket of sockets) {
    const held = socket?.configType?.value;
    if (held === undefined) continue;
    const context = [UpstreamTlsContext, DownstreamTlsContext].find(({ $type }) => held.typeUrl.endsWith($type));
    assert.ok(context, held.typeUrl);
    held.value = bytesOf<never>(context, context.decode(held.value) as never);
  }
  return bytesOf<never>(codec, message as never);
};

const isWhole = ({ any, name }: Emitted): void => {
  const read = Any.decode(any);
  const value = recoded(read);
  assert.deepEqual(Buffer.from(any), bytesOf(Any, { ...read, value }), name);
};

const MESH = `mesh: { trustDomain: shop.example, trustDomainAliases: [old.example] }
services:
  web: { uses: { ledger: 9002 }, ports: [8080:3000/http] }
  orders: { ports: [8080:3000/http], allow: [{ from: web, to: [GET /orders/*] }], deny: [{ to: /admin/* }] }
  ledger: { ports: [9090:3003/tcp], allow: [web] }
  open: { ports: [7070:3003/http], mtls: disable, allow: [anyone, web] }
  half:
    ports: [6060:3003/http]
    mtls: { mode: permissive, until: 2027-06-30T00:00:00Z, then: strict }
    endpoints: [{ address: 10.0.0.1 }, { address: 10.0.0.2, mtls: disable }]
    allow: [web]
  named: { ports: [5050:3003/grpc], endpoints: [{ address: named.example }], allow: [web] }
`;

describe('a resource that is encoded in parts', () => {
  it('is, to the byte, what the generated code makes of the whole', () => {
    const mesh = meshFrom(MESH);
    const seen = new Set<string>();
    for (const service of ['web', 'orders', 'ledger', 'open', 'half'] as const) {
      const emitted = emittedOf(planOf(mesh, `default/${service}`));
      for (const [key, one] of emitted) {
        isWhole(one);
        seen.add(key);
      }
    }
    for (const key of ['Cluster default/half/6060', 'Cluster default/named/5050', 'Listener inbound/9090'])
      assert.ok(seen.has(key), `${key} is not among ${[...seen].join(', ')}`);
  });

  it('says of each caller of a port that caller’s own certificate', () => {
    const text = `mesh: { trustDomain: shop.example }
services:
  web: {}
  shop: {}
  orders: { ports: [8080:3000/http], allow: [web, shop] }
`;
    const mesh = meshFrom(text);
    for (const caller of ['web', 'shop'] as const) {
      const cluster = emittedOf(planOf(mesh, `default/${caller}`)).get('Cluster default/orders/8080');
      const socket = Cluster.decode(Any.decode(cluster?.any ?? new Uint8Array()).value).transportSocket;
      const context = UpstreamTlsContext.decode(socket?.configType?.value.value ?? new Uint8Array());
      const names = context.commonTlsContext?.tlsCertificateSdsSecretConfigs.map(({ name }) => name);
      assert.deepEqual(names, [`spiffe://shop.example/ns/default/sa/${caller}`]);
    }
  });

  it('holds a certificate and its key as the generated code writes them', () => {
    const id = 'spiffe://shop.example/ns/default/sa/web' as SpiffeId;
    const trustDomain = 'shop.example' as TrustDomain;
    const [chainPem, key] = [`-----BEGIN CERTIFICATE-----\n${'A'.repeat(1_500)}\n`, `key ${'B'.repeat(200)}\n`];
    const svid = { id, chainPem, keyPem: secret(key), serial: '01', notBefore: NOW, notAfter: NOW + 1 };
    const trust = { own: [{ trustDomain, authorities: ['root'] }], foreign: [] };
    const [own] = emitSecrets(svid, trust);
    assert.ok(own);
    isWhole(own);
    const { name, type } = Secret.decode(Any.decode(own.any).value);
    assert.equal(name, id);
    assert.equal(type?.$case, 'tlsCertificate');
    const { certificateChain, privateKey } = type.value;
    const textIn = (source: typeof certificateChain): string =>
      source?.specifier?.$case === 'inlineBytes' ? Buffer.from(source.specifier.value).toString() : '';
    assert.deepEqual([textIn(certificateChain), textIn(privateKey)], [chainPem, key]);
  });
});

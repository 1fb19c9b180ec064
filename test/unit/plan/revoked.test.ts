import assert from 'node:assert/strict';
import fc from 'fast-check';
import { loadMesh } from '../../../src/config/loadMesh.ts';
import { listAllowed } from '../../../src/decide/listAllowed.ts';
import { emitProxy } from '../../../src/emit/emitProxy.ts';
import { showJson } from '../../../src/emit/showJson.ts';
import type { Mesh, Port, ServiceKey } from '../../../src/model/mesh.ts';
import { planProxy } from '../../../src/plan/planProxy.ts';
import type { ProxyPlan } from '../../../src/plan/proxyPlan.ts';
import { portsAdmitting, type Revoked } from '../../../src/plan/revoked.ts';
import type { SpiffeId } from '../../../src/spiffe/spiffeId.ts';
import { randomMesh } from '../../drills/randomMesh.ts';
import { meshFrom, NOW } from '../../support/plans.ts';

const HOUR = 3_600_000;
const WEB = 'spiffe://shop.example/ns/default/sa/web' as SpiffeId;
const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];
const END = NOW + HOUR;

const MESH = `
mesh: { trustDomain: shop.example, certificates: { ttl: 2h } }
services:
  web: {}
  debug: {}
  orders: { ports: [8080:1/http], allow: [web] }
  ended: { ports: [8080:1/http], allow: [{ from: web, until: 2020-01-01T00:00:00Z }] }
  anybody: { ports: [8080:1/http], allow: [{ from: anyone }] }
  mesh: { ports: [8080:1/http, 9090:2/tcp], allow: ["*"] }
  others: { ports: [8080:1/http], allow: [debug] }
  nobody: { ports: [8080:1/http] }
  open: { ports: [{ port: 8080, protocol: http, mtls: disable }], allow: [{ from: anyone }] }
`;

const revoked = (...digests: readonly string[]): Revoked => ({
  certificates: digests.map((digest) => ({ id: WEB, digest, notAfter: END })),
  cuts: new Map(),
});

const planned = (mesh: Mesh, key: string, by: Revoked, now = NOW): ProxyPlan => {
  const service = key as ServiceKey;
  const ref = { service, address: undefined, outbound: { host: '127.0.0.1', port: 15001 } };
  return planProxy(mesh, now, ref, new Map(), by) ?? assert.fail(`${key} is no service`);
};

const listed = (mesh: Mesh, key: string, by: Revoked, now = NOW): readonly (readonly string[])[] =>
  planned(mesh, key, by, now).inbound.map(({ access }) => access.revoked);

describe('revoked certificates in the plan', () => {
  const mesh = meshFrom(MESH);

  it('are listed by the ports that some allow rule could open to them, ended ones too, and by no others', () => {
    const lists = ['orders', 'ended', 'anybody', 'mesh', 'others', 'nobody', 'open', 'web'].map((name) =>
      listed(mesh, `default/${name}`, revoked(A ?? '')),
    );
    assert.deepEqual(lists, [[[A]], [[A]], [[A]], [[A], [A]], [[]], [[]], [[]], []]);
    const ports = portsAdmitting(mesh, WEB).map(({ service, port }) => `${service.name}:${port.port}`);
    assert.deepEqual(ports, ['anybody:8080', 'ended:8080', 'mesh:8080', 'mesh:9090', 'orders:8080']);
  });

  it('are listed by every port of a mesh that allows what no rule is written for', () => {
    const open = meshFrom(MESH.replace('shop.example,', 'shop.example, authorization: allow,'));
    assert.deepEqual(listed(open, 'default/nobody', revoked(A ?? '')), [[A]]);
  });

  it('stand in one order, each once, and the same set is the same plan of a port', () => {
    const one = planned(mesh, 'default/orders', revoked(B ?? '', A ?? '', B ?? '')).inbound[0];
    assert.deepEqual(one?.access.revoked, [A, B]);
    assert.equal(planned(mesh, 'default/orders', revoked(A ?? '', B ?? '')).inbound[0], one);
    assert.notEqual(planned(mesh, 'default/orders', revoked(A ?? '')).inbound[0], one);
  });

  it('leave no plan by what time it is, for a clock may be wrong', () => {
    assert.deepEqual(listed(mesh, 'default/orders', revoked(A ?? ''), END + 1_000 * HOUR), [[A]]);
  });

  it('change a listener for tcp alone; a cut changes the mTLS chain of the ports that are named', () => {
    const listeners = (key: string, by: Revoked) =>
      emitProxy(planned(mesh, key, by))
        .filter(({ type, name }) => type.endsWith('.Listener') && name.startsWith('inbound/'))
        .map(({ version }) => version);
    const none = revoked();
    const [http, tcp] = listeners('default/mesh', none);
    const [httpAfter, tcpAfter] = listeners('default/mesh', revoked(A ?? ''));
    assert.equal(httpAfter, http);
    assert.notEqual(tcpAfter, tcp);
    const cut = { ...none, cuts: new Map([['default/mesh:8080' as const, NOW]]) };
    assert.deepEqual(
      listeners('default/mesh', cut).map((version, at) => version === [http, tcp][at]),
      [false, true],
    );
  });
});

type Rbac = { readonly rules?: { readonly action?: string; readonly policies?: Readonly<Record<string, unknown>> } };
type Named = { readonly name: string };
type ShownRoute = { readonly typed_per_filter_config?: Readonly<Record<string, { readonly rbac: Rbac }>> };
type ShownChain = Named & { readonly filters: readonly { readonly typed_config: Rbac }[] };
type ShownProxy = {
  readonly routes: readonly (Named & {
    readonly virtual_hosts: readonly { readonly routes: readonly ShownRoute[] }[];
  })[];
  readonly listeners: readonly (Named & { readonly filter_chains: readonly ShownChain[] })[];
};

/** Envoy keeps policies by name: the first one that denies. */
const firstDenial = ({ rules }: Rbac = {}): string => {
  const [first] = rules?.action === 'DENY' ? Object.entries(rules.policies ?? {}).sort() : [];
  return JSON.stringify(first ?? '');
};

/** Does every way into this port deny the digest before anything else? */
const deniesEverywhere = (plan: ProxyPlan, port: Port, digest: string): boolean => {
  const { listeners, routes } = showJson(emitProxy(plan)) as unknown as ShownProxy;
  const name = `inbound/${port.port}`;
  if (port.protocol === 'tcp') {
    const chains = listeners.find((listener) => listener.name === name)?.filter_chains ?? [];
    const mtls = chains.find((chain) => chain.name === 'mtls');
    return firstDenial(mtls?.filters[0]?.typed_config).includes(digest);
  }
  const ways = routes.find((config) => config.name === name)?.virtual_hosts.flatMap((host) => host.routes) ?? [];
  const denied = ways.map((way) => firstDenial(way.typed_per_filter_config?.['signet.rbac.deny']?.rbac));
  return denied.length > 0 && denied.every((denial) => denial.includes(digest));
};

describe('a revoked certificate', () => {
  it('is admitted by no rule of any mesh', function () {
    this.timeout(20_000);
    let admitting = 0;
    fc.assert(
      fc.property(randomMesh, (made) => {
        const loaded = loadMesh('mesh.yaml', JSON.stringify(made), { now: NOW });
        if (!loaded.ok) return;
        const { mesh } = loaded.value;
        const ids = [...new Set([...mesh.services.values()].map(({ identity }) => identity))].slice(0, 3);
        const by = {
          certificates: ids.map((id, at) => ({ id, digest: `${at}`.repeat(64), notAfter: END })),
          cuts: new Map(),
        };
        for (const { key, ports } of [...mesh.services.values()].slice(0, 3)) {
          const plan = planned(mesh, key, by);
          for (const port of ports.filter(({ mtls }) => mtls.mode !== 'disable')) {
            for (const { id, digest } of by.certificates) {
              const { verdict } = listAllowed(mesh, NOW, {
                from: { kind: 'identity', id },
                plaintext: false,
                to: key,
                port,
              });
              if (!verdict.allow) continue;
              admitting += 1;
              assert.ok(deniesEverywhere(plan, port, digest), `${id} at ${key}:${port.port}`);
            }
          }
        }
      }),
      { numRuns: 25 },
    );
    assert.ok(admitting > 0, `only ${admitting} ports admit anybody`);
  });
});

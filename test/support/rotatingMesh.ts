import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { RotationAnswer } from '../../src/admin/rotationResponses.ts';
import { eventually } from './eventually.ts';
import type { Load } from './load.ts';
import { startLoad } from './load.ts';
import type { TestMesh } from './mesh.ts';
import type { Sidecar } from './sidecar.ts';

/** web calls orders and payments, orders calls payments; `ledger` is TCP, so that every call of it is a handshake of its own. */
export const rotatingMeshYaml = (target: number, more = ''): string => `
mesh: { trustDomain: shop.example, certificates: { ttl: 1h${more} } }
namespaces:
  prod:
    services:
      web: { uses: { "payments:ledger": 9001 } }
      orders:
        ports: [8080:${target}/http]
        uses: { "payments:ledger": 9001 }
        allow: [web]
      payments:
        ports: { http: 8080:${target}/http, ledger: 9090:${target}/tcp }
        allow: [web, orders]
`;

export type RotatingMesh = {
  readonly mesh: TestMesh;
  readonly sidecars: readonly Sidecar[];
  readonly rotation: () => Promise<RotationAnswer>;
  readonly post: (path: string, body: object) => Promise<RotationAnswer>;
  /** Resolves once the plan is at this step; `none`: once none is running. */
  readonly until: (step: string, within?: number) => Promise<RotationAnswer>;
  /** A SIGKILL of the control plane and its next start, at once. */
  readonly crash: () => Promise<void>;
  /** Every sidecar is connected and has taken everything. */
  readonly settled: () => Promise<void>;
  /** A new certificate for every sidecar, and each Envoy holds it. */
  readonly renewAll: () => Promise<void>;
  readonly load: () => {
    readonly stop: () => Promise<{ readonly ok: number; readonly failures: Readonly<Record<string, number>> }>;
  };
};

const ID = (service: string): string => `spiffe://shop.example/ns/prod/sa/${service.split('/')[1]}`;

export const rotatingMesh = (mesh: TestMesh, sidecars: readonly Sidecar[]): RotatingMesh => {
  const ask = async (method: string, path: string, body?: object): Promise<RotationAnswer> => {
    const token = (await readFile(`${mesh.data}/admin.token`, 'utf8')).trim();
    const response = await fetch(`http://${mesh.admin.host}:${mesh.admin.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text);
  };
  const rotation = () => ask('GET', '/api/v1/ca/rotation');
  const settled = (): Promise<void> =>
    eventually(async () => {
      const shown = (await mesh.status()).sidecars;
      assert.deepEqual(shown.map(({ node }) => node).sort(), sidecars.map(({ node }) => node).sort());
      for (const { node, types } of shown)
        for (const [type, { sent, acked, nacked }] of Object.entries(types))
          assert.deepEqual([acked, nacked], [sent, null], `${node} ${type}`);
    }, 30_000);
  const serials = (): Promise<readonly (string | undefined)[]> =>
    Promise.all(sidecars.map(({ envoy, service }) => envoy.serialOf(ID(service))));
  return {
    mesh,
    sidecars,
    rotation,
    post: (path, body) => ask('POST', path, body),
    // An Envoy that finds nobody waits for up to 30 s before it comes again.
    until: (step, within = 60_000) =>
      eventually(async () => {
        const answer = await rotation();
        assert.equal(answer.rotation?.step ?? 'none', step, JSON.stringify(answer.rotation?.waitingFor));
        return answer;
      }, within),
    crash: async () => {
      await mesh.kill();
      await mesh.start();
    },
    settled,
    renewAll: async () => {
      const before = await serials();
      for (const { service } of sidecars) await mesh.json('ca', 'renew', service);
      await eventually(async () => {
        const now = await serials();
        for (const [at, serial] of before.entries()) assert.notEqual(now[at], serial);
      });
    },
    load: () => {
      const [web, orders] = sidecars;
      assert.ok(web !== undefined && orders !== undefined);
      const ledger = (sidecar: Sidecar) => ({ host: sidecar.address, port: 9001 });
      const calls = { workers: 2, pause: 10 };
      const handshakes = { workers: 1, pause: 20, fresh: true };
      const loads: readonly Load[] = [
        startLoad(web.outbound, { host: 'orders' }, calls),
        startLoad(web.outbound, { host: 'payments' }, calls),
        startLoad(orders.outbound, { host: 'payments' }, calls),
        startLoad(ledger(web), {}, handshakes),
        startLoad(ledger(orders), {}, handshakes),
      ];
      return {
        stop: async () => {
          const totals = await Promise.all(loads.map((load) => load.stop()));
          const failures: Record<string, number> = {};
          for (const [kind, n] of totals.flatMap((one) => Object.entries(one.failures)))
            failures[kind] = (failures[kind] ?? 0) + n;
          return { ok: totals.reduce((sum, { ok }) => sum + ok, 0), failures };
        },
      };
    },
  };
};

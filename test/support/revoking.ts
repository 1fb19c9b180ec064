import type { RevocationAnswer } from '../../src/control/revocation/answer.ts';
import type { TestMesh } from './mesh.ts';
import type { Sidecar } from './sidecar.ts';

/** web and debug may call payments, by HTTP and TCP, and debug alone may call web and audit. */
export const revokingMeshYaml = (http: number, ledger: number, ttl = '24h'): string => `
mesh: { trustDomain: shop.example, certificates: { ttl: ${ttl} } }
namespaces:
  prod:
    services:
      web: { ports: [8080:${http}/http], allow: [debug], uses: { "payments:ledger": 9001 } }
      debug: { uses: { "payments:ledger": 9001 } }
      payments:
        ports:
          http: 8080:${http}/http
          ledger: 9090:${ledger}/tcp
        allow: [web, debug]
      audit: { ports: [8080:${http}/http], allow: [debug] }
`;

/** Those that are connected. */
export const nodes = async (mesh: TestMesh): Promise<readonly string[]> =>
  (await mesh.status()).sidecars.map(({ node }) => node).sort();

/** What `ca revoke` prints as JSON; every sidecar concerned must have refused by then. */
export const revoke = async (mesh: TestMesh, ...args: readonly string[]): Promise<RevocationAnswer> =>
  (await mesh.json('ca', 'revoke', ...args)) as RevocationAnswer;

/** Digests in the policies that an Envoy has in force. */
export const refused = async (sidecar: Sidecar | undefined): Promise<number> =>
  new Set(((await sidecar?.envoy.routes()) ?? '').match(/"[0-9a-f]{64}"/g) ?? []).size;

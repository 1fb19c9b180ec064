import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createMetrics } from '../../src/admin/metrics.ts';
import type { RotationPort } from '../../src/admin/rotationRoutes.ts';
import { startAdminServer } from '../../src/admin/server.ts';
import type { AuthorityStatus } from '../../src/ca/authority.ts';
import { secret } from '../../src/lib/secret.ts';
import type { TrustDomain } from '../../src/spiffe/spiffeId.ts';
import { type CliResult, runCli } from './cli.ts';
import type { TestControl } from './controlPlane.ts';
import { idleRotation } from './idleRotation.ts';

const FACTS = { subject: 'CN=x', serial: '01', notBefore: 0, notAfter: 4_000_000_000_000, fingerprint: 'ab' };
const trustDomain = 'shop.example' as TrustDomain;

/** An admin server of this control plane, with a CA that only describes itself. */
export type AdminOf = {
  /** A command against it, with its token. */
  readonly run: (...args: readonly string[]) => Promise<CliResult>;
  readonly close: () => Promise<void>;
};

export const startAdminOf = async (
  test: TestControl,
  rotation?: RotationPort,
  signer?: AuthorityStatus['signer'],
): Promise<AdminOf> => {
  const describe = () => ({ trustDomain, generation: 1, root: FACTS, intermediate: FACTS, slots: [], signer });
  const ca = {
    describe,
    rotation: rotation ?? idleRotation(describe),
    describeChannel: () => FACTS,
    channelSlots: () => [{ ...FACTS, kind: 'channel', state: 'active', since: 0, root: FACTS.serial } as const],
    bundle: () => ({ trustDomain, authorities: ['PEM'] }),
    imports: {
      request: async () => ({ csr: 'PEM', since: 0 }),
      take: async () => ({ root: FACTS, rootIsNew: true, intermediate: FACTS }),
    },
  };
  const { registry } = createMetrics();
  const { control, folder } = test;
  const listen = { host: '127.0.0.1', port: 0 };
  const server = await startAdminServer({ listen, token: secret('t'), control, ca, registry, onError: assert.ifError });
  const SIGNET_ADMIN_TOKEN_FILE = join(folder, 'token');
  await writeFile(SIGNET_ADMIN_TOKEN_FILE, 't\n');
  return {
    run: (...args) => {
      const { host, port } = server.address();
      return runCli(args, { SIGNET_SERVER: `http://${host}:${port}`, SIGNET_ADMIN_TOKEN_FILE });
    },
    close: () => server.close(),
  };
};

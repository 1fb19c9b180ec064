import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import type { Curve } from '../../../src/features/certificates/spec.ts';
import type { Store } from '../../../src/lib/store.ts';
import { parseTrustDomain, type TrustDomain, workloadId } from '../../../src/spiffe/spiffeId.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';

export const NOW = Date.UTC(2027, 4, 17, 9, 30, 12, 345);
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export const trustDomain = (text: string): TrustDomain => {
  const parsed = parseTrustDomain(text);
  if (parsed === undefined) throw new Error(`${text} is no trust domain`);
  return parsed;
};
export const TD = trustDomain('shop.example');
export const WEB = workloadId(TD, 'prod', 'web');

/** A mesh over a store in memory, begun at `now`. */
export const freshMesh = async (now = NOW, store: Store = memoryStore(), curve: Curve = 'P-256') => ({
  store,
  ...(await openAuthority({ store, trustDomain: TD, now, curve: () => curve })),
});

/** The certificates of a chain, one PEM each. */
export const split = (chainPem: string): readonly string[] =>
  chainPem.split(/(?<=-----END CERTIFICATE-----\n)/).filter((part) => part !== '');

export const openssl = (args: readonly string[], input?: string): string =>
  execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });

/** What `openssl verify -x509_strict` says, `OK` or its complaint. */
export const opensslVerify = (chainPem: string, rootPem: string, purpose: string, at: number): string => {
  const dir = mkdtempSync(join(tmpdir(), 'signet-ca-'));
  try {
    const [leaf = '', ...above] = split(chainPem);
    for (const [name, pem] of [
      ['leaf', leaf],
      ['above', above.join('')],
      ['root', rootPem],
    ] as const)
      writeFileSync(join(dir, name), pem);
    const chain = above.length > 0 ? ['-untrusted', join(dir, 'above')] : [];
    const args = [
      'verify',
      '-x509_strict',
      '-check_ss_sig',
      '-purpose',
      purpose,
      '-attime',
      `${Math.floor(at / 1000)}`,
    ];
    openssl([...args, '-no-CApath', '-CAfile', join(dir, 'root'), ...chain, join(dir, 'leaf')]);
    return 'OK';
  } catch (thrown) {
    return String((thrown as { stderr?: unknown }).stderr ?? thrown);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
};

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openAuthority } from '../../src/ca/openAuthority.ts';
import type { Curve } from '../../src/features/certificates/spec.ts';
import { parseTrustDomain, type TrustDomain, workloadId } from '../../src/spiffe/spiffeId.ts';
import { memoryStore } from '../fakes/memoryStore.ts';

/** Leaves of one mesh at one moment. */
export type SampleGroup = { readonly name: string; readonly now: number; readonly ca: Curve; readonly leaf: Curve };

/** Every pair of curves, and the turn from 2049 to 2050. */
export const SAMPLE_GROUPS: readonly SampleGroup[] = [
  { name: 'p256', now: Date.UTC(2027, 4, 17, 9, 30, 12, 345), ca: 'P-256', leaf: 'P-256' },
  { name: 'p384', now: Date.UTC(2027, 4, 17, 9, 30, 12, 345), ca: 'P-384', leaf: 'P-384' },
  { name: 'p256-signs-p384', now: Date.UTC(2027, 4, 17), ca: 'P-256', leaf: 'P-384' },
  { name: 'turn-of-2050', now: Date.UTC(2049, 11, 31, 22, 0, 0), ca: 'P-256', leaf: 'P-256' },
];

const chainOf = (pem: string): readonly string[] => pem.split(/(?<=-----END CERTIFICATE-----\n)/);

/** Issues `count` leaves with IDs and lives of every length into `dir`: N.pem each, above.pem, root.pem, ids.txt. */
export const writeSamples = async (dir: string, group: SampleGroup, count: number): Promise<void> => {
  const { now } = group;
  const trustDomain = parseTrustDomain('shop.example') as TrustDomain;
  let curve: Curve = group.ca;
  const { mesh } = await openAuthority({ store: memoryStore(), trustDomain, now, curve: () => curve });
  curve = group.leaf;
  mkdirSync(dir, { recursive: true });
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const id = workloadId(trustDomain, `ns-${i}`, 'x'.repeat(1 + (i % 200)));
    const [leaf = '', above = ''] = chainOf(mesh.issue(id, 10_000 + ((i * 977_131) % (90 * 86_400_000)), now).chainPem);
    writeFileSync(join(dir, `${i}.pem`), leaf);
    if (i === 0) writeFileSync(join(dir, 'above.pem'), above);
    ids.push(id);
  }
  writeFileSync(join(dir, 'root.pem'), mesh.trustBundle().authorities.join(''));
  writeFileSync(join(dir, 'ids.txt'), `${ids.join('\n')}\n`);
};

/** How many of them `openssl verify -x509_strict` takes for a purpose; a thousand in one call. @throws if it refuses one */
export const opensslTakes = (dir: string, { now }: SampleGroup, count: number, purpose: string): number => {
  const options = ['-x509_strict', '-check_ss_sig', '-purpose', purpose, '-attime', `${Math.floor(now / 1000)}`];
  const anchors = ['-no-CApath', '-CAfile', 'root.pem', '-untrusted', 'above.pem'];
  let taken = 0;
  for (let from = 0; from < count; from += 1000) {
    const files = Array.from({ length: Math.min(1000, count - from) }, (_, i) => `${from + i}.pem`);
    const out = execFileSync('openssl', ['verify', ...options, ...anchors, ...files], { cwd: dir, encoding: 'utf8' });
    taken += out.match(/\.pem: OK$/gm)?.length ?? 0;
  }
  return taken;
};

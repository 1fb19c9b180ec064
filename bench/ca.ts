import { openAuthority } from '../src/ca/openAuthority.ts';
import { parseTrustDomain, type TrustDomain, workloadId } from '../src/spiffe/spiffeId.ts';
import { memoryStore } from '../test/fakes/memoryStore.ts';

/** Leaves issued, each with a new key and validated after signing, per second of CPU of this process. */
export const benchIssue = async (
  leaves = 5000,
): Promise<{ readonly leaves: number; readonly cpuSeconds: number; readonly leavesPerSecond: number }> => {
  const trustDomain = parseTrustDomain('bench.example') as TrustDomain;
  const now = Date.now();
  const { mesh } = await openAuthority({ store: memoryStore(), trustDomain, now });
  const id = workloadId(trustDomain, 'prod', 'payments');
  for (let i = 0; i < 500; i++) mesh.issue(id, 86_400_000, now);
  const before = process.cpuUsage();
  for (let i = 0; i < leaves; i++) mesh.issue(id, 86_400_000, now);
  const { user, system } = process.cpuUsage(before);
  const cpuSeconds = (user + system) / 1e6;
  return { leaves, cpuSeconds, leavesPerSecond: Math.round(leaves / cpuSeconds) };
};

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { makeCa } from '../src/ca/caCertificate.ts';
import { EMPTY_NAME } from '../src/ca/der.ts';
import { makeCsr } from '../src/ca/external/csr.ts';
import { newKey } from '../src/ca/keys.ts';
import { certifyCsr, type LeafRequest, leafIssuer } from '../src/ca/leaf.ts';
import { openAuthority } from '../src/ca/openAuthority.ts';
import { leafExtensions, uriExtension } from '../src/ca/profile.ts';
import { createSvidKeeper } from '../src/ca/svidStore.ts';
import type { Curve } from '../src/features/certificates/spec.ts';
import { parseTrustDomain, type TrustDomain, workloadId } from '../src/spiffe/spiffeId.ts';
import { openLmdbStore } from '../src/store/lmdbStore.ts';

const trustDomain = parseTrustDomain('bench.example') as TrustDomain;
const id = workloadId(trustDomain, 'prod', 'payments');
const TTL = 86_400_000;

/** How often `once` runs per second of CPU of this process: the median of five, after one that warms up. */
const perCpuSecond = (times: number, once: () => void): number => {
  const rates = Array.from({ length: 6 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < times; i++) once();
    const { user, system } = process.cpuUsage(before);
    return Math.round((times / (user + system)) * 1e6);
  });
  return rates.slice(1).sort((a, b) => a - b)[2] ?? 0;
};

/** Leaves issued and read back, per second of CPU of this process: with a new key each, and for a key that is given. */
export const benchIssue = (leaves = 5000) => {
  const now = Date.now();
  const issuer = leafIssuer(makeCa('root', { trustDomain, life: 100 * TTL, now, curve: 'P-256' }));
  const request: LeafRequest = { id, use: 'workload', ttl: TTL, now };
  const given = newKey('P-256');
  const csr = makeCsr(given, EMPTY_NAME, [leafExtensions('workload'), uriExtension(id, true)]);
  const withNewKey = (curve: Curve, times: number) => perCpuSecond(times, () => issuer.issue(request, curve));
  return {
    withNewKeyPerCpuSecond: withNewKey('P-256', leaves),
    withNewP384KeyPerCpuSecond: withNewKey('P-384', leaves / 10),
    forGivenKeyPerCpuSecond: perCpuSecond(leaves, () => issuer.certify(request, given)),
    fromCsrPerCpuSecond: perCpuSecond(leaves, () => certifyCsr(issuer, csr, request)),
  };
};

/** Sidecars that the reconciler takes between two breaths of the event loop (src/control/reconciler.ts). */
const AT_ONCE = 32;

/** All of so many certificates renewed at once, each stored on the disk, and how long the event loop was held by it. */
export const benchRenewals = async (certificates = 1000) => {
  const dir = mkdtempSync(join(tmpdir(), 'signet-bench-'));
  const store = openLmdbStore(dir);
  const now = Date.now();
  try {
    const { mesh } = await openAuthority({ store, trustDomain, now });
    const keeper = createSvidKeeper({ store, authority: mesh, now });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const renewAll = async (): Promise<void> => {
      for (let at = 0; at < certificates; at += AT_ONCE) {
        const count = Math.min(AT_ONCE, certificates - at);
        await Promise.all(Array.from({ length: count }, (_, i) => keeper.renew(`prod/web/${at + i}`, id, TTL, now)));
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await renewAll();
    delay.enable();
    const [from, cpu] = [performance.now(), process.cpuUsage()];
    await renewAll();
    const { user, system } = process.cpuUsage(cpu);
    delay.disable();
    const milliseconds = (nanoseconds: number): number => Number((nanoseconds / 1e6).toFixed(1));
    return {
      certificates,
      seconds: Number(((performance.now() - from) / 1000).toFixed(3)),
      cpuSeconds: Number(((user + system) / 1e6).toFixed(3)),
      loopDelayMs: {
        p50: milliseconds(delay.percentile(50)),
        p99: milliseconds(delay.percentile(99)),
        max: milliseconds(delay.max),
      },
    };
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
};

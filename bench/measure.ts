import { setTimeout as sleep } from 'node:timers/promises';
import type { Seen } from './messages.ts';
import { cpuSeconds } from './processes.ts';

export const round = (value: number, digits = 2): number => Number(value.toFixed(digits));

export const ratio = (a: number, b: number): number => round(a / b);

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** 0 for none. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

/** What the same measurement gave when it was taken several times. */
export type Spread = { readonly median: number; readonly min: number; readonly max: number };

export const spread = (values: readonly number[], digits = 2): Spread => ({
  median: round(median(values), digits),
  min: round(Math.min(...values), digits),
  max: round(Math.max(...values), digits),
});

/** Two things that were measured in turns: the first to the second, each time. */
export const ratios = (ours: readonly number[], limit: readonly number[]): Spread =>
  spread(ours.map((value, index) => value / (limit[index] ?? 0)));

/** The times of many sidecars, in seconds. */
export type Times = { readonly p50: number; readonly p99: number; readonly max: number };

export const times = (from: number, moments: readonly number[]): Times => {
  const sorted = moments.map((at) => (at - from) / 1000).sort((a, b) => a - b);
  const at = (part: number): number => round(sorted[Math.ceil(sorted.length * part) - 1] ?? 0, 3);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
};

/** What something cost the server. */
export type Cost = {
  readonly sidecars: number;
  readonly cpuSeconds: number;
  readonly cpuMsPerSidecar: number;
  readonly bytesPerSidecar: number;
};

export const cost = (cpu: number, sidecars: number, { bytes }: Pick<Seen, 'bytes'>): Cost => ({
  sidecars,
  cpuSeconds: round(cpu, 3),
  cpuMsPerSidecar: round((cpu * 1000) / sidecars, 3),
  bytesPerSidecar: Math.round(bytes / sidecars),
});

/** CPU of a process until it is quiet: 200 ms with at most a tick of work, at most 10 s. */
export const settledCpu = async (pid: number): Promise<number> => {
  let last = cpuSeconds(pid);
  for (let tries = 0; tries < 50; tries++) {
    await sleep(200);
    const now = cpuSeconds(pid);
    if (now - last <= 0.01) return now;
    last = now;
  }
  return last;
};

/** CPU seconds of `pid` for `work`, until it is quiet again. */
export const withCpu = async <T>(pid: number, work: () => Promise<T>): Promise<{ cpu: number; value: T }> => {
  const before = await settledCpu(pid);
  const value = await work();
  return { cpu: (await settledCpu(pid)) - before, value };
};

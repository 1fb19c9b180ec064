import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import type { Entry, Store, Write } from '../../../src/lib/store.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { killAndAudit } from '../../support/caKill.ts';
import { auditCaStore, runCaScript } from '../../support/caScript.ts';

const STEPS = 60;

const storeOf = async (entries: readonly Entry[]): Promise<Store> => {
  const store = memoryStore();
  // One commit each, so that the entries have revisions of their own, as they had.
  for (const { key, value } of entries) await store.commit([{ key, value }]);
  return store;
};

/** The script's store at every moment at which a kill could leave it: before its first commit and after each one. */
const everyMoment = async (steps: number) => {
  const inner = memoryStore();
  const moments: (readonly Entry[])[] = [[]];
  const commits: (readonly Write[])[] = [];
  const commit = async (writes: readonly Write[]): Promise<void> => {
    commits.push(writes);
    await inner.commit(writes);
    moments.push(inner.list(''));
  };
  const lines: string[] = [];
  await runCaScript({ ...inner, commit }, { from: 0, to: steps }, (line) => lines.push(line));
  return { moments, commits, lines };
};

describe('a crash', () => {
  it('at any commit leaves a state that opens, has all its keys and no orphan, and goes on', async () => {
    const { moments, commits, lines } = await everyMoment(STEPS);
    assert.ok(commits.length > STEPS, `${commits.length} commits`);
    const found = new Set<string>();
    for (const [at, entries] of moments.entries()) {
      const store = await storeOf(entries);
      found.add(await auditCaStore(store));
      await runCaScript(store, { from: at, to: at + 1 }, () => undefined);
      await auditCaStore(store);
    }
    // Every state that was told was on the disk at some moment.
    for (const line of lines) assert.ok(found.has(line), line);
  }).timeout(30_000);

  it('by SIGKILL in the middle of a commit loses nothing that was told, 5 times', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'signet-crash-'));
    for (const [from, killAt, afterMs] of [
      [0, 1, 0],
      [0, 1, 2],
      [0, 9, 0],
      [9, 14, 1],
      [23, 30, 3],
    ] as const)
      await killAndAudit(dir, from, killAt, afterMs);
    rmSync(dir, { recursive: true });
  }).timeout(30_000);
});

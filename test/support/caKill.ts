import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { openLmdbStore } from '../../src/store/lmdbStore.ts';
import { auditCaStore } from './caScript.ts';

/**
 * Lets a process change the CAs in `dir` until it dies by SIGKILL in its n-th commit, and audits what is left: the last
 * state that it was told was committed, or the one after it. Returns how many commits it was told of.
 */
export const killAndAudit = async (dir: string, from: number, killAt: number, afterMs: number): Promise<number> => {
  const script = join(import.meta.dirname, '../drills/caScriptProcess.ts');
  const args = ['--import', 'tsx', script, dir, `${from}`, `${killAt}`, `${afterMs}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  const signal = await new Promise((resolve) => child.on('close', (_, name) => resolve(name)));
  assert.equal(signal, 'SIGKILL', 'the script ended by itself');
  const lines = out.split('\n').slice(0, -1);
  const store = openLmdbStore(dir);
  try {
    const found = await auditCaStore(store);
    const last = lines.at(-1);
    const generation = (line: string): number => Number(line.split(' ')[0]);
    // A step may commit twice (a renewal, then the change), and the last commit may have been done without being told.
    if (last !== undefined) {
      assert.ok(
        generation(found) >= generation(last) && generation(found) <= generation(last) + 2,
        `${found} after ${last}`,
      );
      if (generation(found) === generation(last)) assert.equal(found, last);
    }
    return lines.length;
  } finally {
    await store.close();
  }
};

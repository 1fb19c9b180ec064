// `npm run drill:crash [-- --kills N]`: a process changes CAs on a real disk and is killed (SIGKILL) in every one of its
// commits in turn; after each kill the state must open with all its keys, its journal whole and nothing unknown in it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killAndAudit } from '../support/caKill.ts';

const { values } = parseArgs({ options: { kills: { type: 'string', default: '200' } } });
const kills = Number(values.kills);
/** Commits of one life, at most: each life dies in another one of them. */
const LIFE = 20;
const dir = mkdtempSync(join(tmpdir(), 'signet-crash-'));
let told = 0;
try {
  for (let n = 0; n < kills; n++) told += await killAndAudit(dir, told + n, 1 + (n % LIFE), n % 4);
  console.log(`${kills} kills in ${told} committed changes: always readable, no key lost, no orphan`);
} finally {
  rmSync(dir, { recursive: true, force: true });
}

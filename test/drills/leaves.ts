// `npm run drill:leaves [-- --count N]`: 10,000 leaves held against the profile by two readers that are not Signet's:
// `openssl verify -x509_strict` for both purposes, and Go's crypto/x509 field by field. Needs openssl and go on PATH.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { opensslTakes, SAMPLE_GROUPS, writeSamples } from '../support/leafSamples.ts';

const { values } = parseArgs({ options: { count: { type: 'string', default: '10000' } } });
const each = Math.ceil(Number(values.count) / SAMPLE_GROUPS.length);
const root = mkdtempSync(join(tmpdir(), 'signet-leaves-'));
let faults = 0;
try {
  for (const group of SAMPLE_GROUPS) {
    const dir = join(root, group.name);
    await writeSamples(dir, group, each);
    for (const purpose of ['sslclient', 'sslserver']) {
      const taken = opensslTakes(dir, group, each, purpose);
      faults += each - taken;
      console.log(`${group.name}: OpenSSL takes ${taken} of ${each} as ${purpose}`);
    }
    const args = [dir, `${each}`, `${Math.floor(group.now / 1000)}`, group.ca, group.leaf];
    const source = join(import.meta.dirname, 'leaves', 'main.go');
    const said = execFileSync('go', ['run', source, ...args], {
      encoding: 'utf8',
      env: { ...process.env, GOFLAGS: '' },
    });
    console.log(`${group.name}: ${said.trim()}`);
  }
} finally {
  rmSync(root, { recursive: true, force: true });
}
process.exitCode = faults === 0 ? 0 : 1;

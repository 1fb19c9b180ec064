import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPrivateFolder } from '../../../src/app/privateFolder.ts';

const OPENER = `
import { openPrivateFolder } from ${JSON.stringify(new URL('../../../src/app/privateFolder.ts', import.meta.url).href)};
const folder = await openPrivateFolder('sidecar', process.argv[2]);
process.send(folder.path);
setInterval(() => {}, 1000);
`;

describe('the private folder of a command', function () {
  this.timeout(20_000);
  let parent: string;
  const here = (): readonly string[] => readdirSync(parent).sort();

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'private-folder-'));
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  /** Of a process that was killed without a word. */
  const leftBehind = async (): Promise<string> => {
    const script = join(parent, 'opener.mts');
    writeFileSync(script, OPENER);
    const child = fork(script, [parent], { execArgv: ['--import', 'tsx'] });
    const [path] = (await once(child, 'message')) as [string];
    writeFileSync(join(path, 'key.pem'), 'a private key');
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(script);
    return path;
  };

  it('is for its user alone, and is gone with what is in it when it is closed', async () => {
    const folder = await openPrivateFolder('csds', parent);
    assert.equal(statSync(folder.path).mode & 0o777, 0o700);
    writeFileSync(join(folder.path, 'key.pem'), 'a private key');
    await folder.close();
    assert.deepEqual(here(), []);
  });

  it('that a killed process left behind is removed by the next one, and none that is in use', async () => {
    const other = await openPrivateFolder('sidecar', parent);
    const left = await leftBehind();
    assert.ok(readdirSync(left).includes('key.pem'));
    const next = await openPrivateFolder('csds', parent);
    assert.deepEqual(
      here().map((name) => join(parent, name)),
      [next.path, other.path].sort(),
    );
    await Promise.all([other.close(), next.close()]);
  });

  it('stays while an Envoy lives in it that outlived its command', async () => {
    const left = await leftBehind();
    const envoy = createServer().listen(join(left, 'admin.sock'));
    await once(envoy, 'listening');
    await (await openPrivateFolder('sidecar', parent)).close();
    assert.ok(readdirSync(left).includes('key.pem'));
    envoy.close();
    await (await openPrivateFolder('sidecar', parent)).close();
    assert.deepEqual(here(), []);
  });

  it('is not mistaken for what others made: another name, a link, a folder without a sign of us', async () => {
    const hourAgo = Date.now() / 1000 - 3_600;
    for (const name of ['signet-other-1', 'signet-sidecar-full', 'signet-sidecar-new', 'signet-sidecar-old']) {
      mkdirSync(join(parent, name));
      if (!name.endsWith('new')) utimesSync(join(parent, name), hourAgo, hourAgo);
    }
    writeFileSync(join(parent, 'signet-sidecar-full', 'work.txt'), '');
    utimesSync(join(parent, 'signet-sidecar-full'), hourAgo, hourAgo);
    writeFileSync(join(parent, 'signet-sidecar-file'), '');
    symlinkSync(tmpdir(), join(parent, 'signet-sidecar-link'));
    await (await openPrivateFolder('sidecar', parent)).close();
    assert.deepEqual(here(), [
      'signet-other-1',
      'signet-sidecar-file',
      'signet-sidecar-full',
      'signet-sidecar-link',
      'signet-sidecar-new',
    ]);
  });
});

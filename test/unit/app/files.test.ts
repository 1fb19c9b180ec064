import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAdminToken } from '../../../src/app/adminToken.ts';
import { Closers } from '../../../src/app/closers.ts';
import { writeAtomically } from '../../../src/app/files.ts';
import { listenAddress } from '../../../src/app/listenAddress.ts';
import { humanLine } from '../../../src/app/logging.ts';
import { reveal } from '../../../src/lib/secret.ts';

describe('files of the app', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-app-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('are written whole, with their mode, and leave nothing beside them', async () => {
    const path = join(folder, 'file');
    await writeFile(path, 'old', { mode: 0o644 });
    await writeAtomically(path, 'new', 0o600);
    assert.equal(await readFile(path, 'utf8'), 'new');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['file']);
    await assert.rejects(writeAtomically(join(folder, 'none', 'file'), 'x', 0o600), { code: 'write_failed' });
  });

  it('the admin token is kept, private, and replaced if others could have read it', async () => {
    const path = join(folder, 'admin.token');
    const token = reveal(await openAdminToken(folder));
    assert.equal(await readFile(path, 'utf8'), `${token}\n`);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal(reveal(await openAdminToken(folder)), token);
    await chmod(path, 0o644);
    assert.notEqual(reveal(await openAdminToken(folder)), token);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await writeFile(path, 'short\n');
    assert.match(reveal(await openAdminToken(folder)), /^[A-Za-z0-9_-]{43}$/);
  });
});

describe('closers', () => {
  it('close in reverse, and all of them', async () => {
    const seen: string[] = [];
    const closers = new Closers((error) => seen.push(String(error)));
    closers.add(() => void seen.push('first'));
    closers.add(() => Promise.reject(new Error('broken')));
    closers.add(async () => void seen.push('last'));
    await closers.close();
    await closers.close();
    assert.deepEqual(seen, ['last', 'Error: broken', 'first']);
  });
});

describe('listen addresses', () => {
  const cases = [
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '0.0.0.0', undefined],
    ['::', '::', undefined],
    ['::1', '::1', '::1'],
  ] as const;
  for (const [host, bind, told] of cases) {
    it(`${host} is told as ${told ?? 'nothing'}`, async () => {
      assert.deepEqual(await listenAddress({ host, port: 1 }), { bind: { host: bind, port: 1 }, told });
    });
  }

  it('a name is bound at its address and told as a name', async () => {
    const { bind, told } = await listenAddress({ host: 'localhost', port: 1 });
    assert.equal(told, 'localhost');
    assert.match(bind.host, /^(127\.0\.0\.1|::1)$/);
  });
});

describe('the log on a terminal', () => {
  it('is a line for people, diagnostics below', () => {
    const time = Date.UTC(2027, 0, 1, 12, 3, 4);
    const line = humanLine({
      level: 40,
      time,
      msg: 'bad file',
      node: 'prod/web/a',
      diagnostics: ['mesh.yaml:1:1 SIG0001 x'],
    });
    assert.equal(line, '12:03:04 warning: bad file  node=prod/web/a\n  mesh.yaml:1:1 SIG0001 x');
    assert.equal(
      humanLine({ level: 50, time, msg: 'no', err: { message: 'disk full' } }),
      '12:03:04 error: no: disk full',
    );
  });

  it('moves no cursor and adds no line, whatever a sidecar says of itself', () => {
    const line = humanLine({ level: 40, time: 0, msg: 'NACK: a\nb\u001b[2J', agent: '\u009b31m' });
    assert.equal(line, '00:00:00 warning: NACK: a b\\u{1b}[2J  agent=\\u{9b}31m');
  });
});

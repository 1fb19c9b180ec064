import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { after, afterEach, beforeEach, describe, it } from 'mocha';
import type { Store } from '../../../src/lib/store.ts';
import { openLmdbStore } from '../../../src/store/lmdbStore.ts';
import { storeConformance } from './conformance.ts';

const made: string[] = [];
const freshDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'signet-store-'));
  made.push(dir);
  return dir;
};
after(() => made.forEach((dir) => void rmSync(dir, { recursive: true, force: true })));

storeConformance('lmdbStore', () => openLmdbStore(freshDir()));

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const textOf = (store: Store, key: string): string => Buffer.from(store.get(key)?.value ?? []).toString();

type Committer = {
  readonly child: ChildProcess;
  readonly lines: () => readonly string[];
  readonly ended: Promise<void>;
};
const committer = (dir: string, from?: number): Committer => {
  const script = join(import.meta.dirname, 'committer.ts');
  const args = ['--import', 'tsx', script, dir, ...(from === undefined ? [] : [`${from}`])];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout?.on('data', (chunk) => (out += chunk));
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  // Only whole lines: the last one may have been cut by the kill.
  return { child, lines: () => out.split('\n').slice(0, -1), ended };
};
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
};
const kill = async ({ child, ended }: Committer): Promise<void> => {
  child.kill('SIGKILL');
  await ended;
};

describe('the data directory', () => {
  const before = process.umask();
  afterEach(() => process.umask(before));

  for (const umask of [0, 0o022, 0o777]) {
    it(`is 0700 and its files 0600 under umask 0${umask.toString(8)}`, async () => {
      const dir = join(freshDir(), 'data');
      process.umask(umask);
      const store = openLmdbStore(dir);
      process.umask(before);
      await store.commit([{ key: 'a', value: Buffer.from('1') }]);
      assert.equal(modeOf(dir), 0o700);
      assert.deepEqual(
        readdirSync(dir).map((file) => modeOf(join(dir, file))),
        [0o600, 0o600],
      );
      await store.close();
    });
  }

  for (const mode of [0o755, 0o710, 0o701, 0o770]) {
    it(`is refused with mode 0${mode.toString(8)}, with the remedy`, () => {
      const dir = freshDir();
      chmodSync(dir, mode);
      const message = `the data directory ${dir} is open to other users (mode 0${mode.toString(8)}): run chmod 700 ${dir}`;
      assert.throws(() => openLmdbStore(dir), { name: 'AppError', code: 'data_dir', message });
      assert.deepEqual(readdirSync(dir), []);
    });
  }

  it('is refused when it is a file, or lies below one', () => {
    const file = join(freshDir(), 'file');
    writeFileSync(file, 'mine');
    for (const path of [file, join(file, 'below')]) {
      assert.throws(() => openLmdbStore(path), {
        code: 'data_dir',
        message: `${path} is not a directory: name one with --data`,
      });
    }
    assert.equal(readFileSync(file, 'utf8'), 'mine');
  });

  it('is refused when somebody else owns it', () => {
    // Only root may give a folder away; for anybody else the root folder is somebody else's.
    const root = process.geteuid?.() === 0;
    const dir = root ? freshDir() : '/';
    if (root) chownSync(dir, 12_345, 0);
    assert.throws(() => openLmdbStore(dir), {
      code: 'data_dir',
      message: /belongs to uid \d+ and Signet runs as uid \d+: run chown/,
    });
  });

  it('is refused when its file is open to others, or a link', async () => {
    const dir = freshDir();
    await openLmdbStore(dir).close();
    chmodSync(join(dir, 'state.mdb'), 0o644);
    assert.throws(() => openLmdbStore(dir), {
      code: 'data_dir',
      message: /state\.mdb is open to other users \(mode 0644\): run chmod 600/,
    });
    const other = freshDir();
    symlinkSync(join(dir, 'state.mdb'), join(other, 'state.mdb'));
    assert.throws(() => openLmdbStore(other), { code: 'data_dir', message: /not a regular file/ });
  });
});

describe('lmdbStore on the disk', () => {
  for (const [what, change] of [
    ['is removed', (dir: string) => rmSync(dir, { recursive: true })],
    ['is replaced', (dir: string) => renameSync(join(dir, 'other'), join(dir, 'state.mdb'))],
  ] as const) {
    it(`promises nothing once its file ${what}`, async () => {
      const dir = freshDir();
      const store = openLmdbStore(dir);
      await store.commit([{ key: 'a', value: Buffer.from('1') }]);
      writeFileSync(join(dir, 'other'), '');
      change(dir);
      await assert.rejects(store.commit([{ key: 'a', value: Buffer.from('2') }]), {
        code: 'store_unavailable',
        message: /state\.mdb was removed or replaced while in use/,
      });
      assert.equal(textOf(store, 'a'), '1');
      await store.close();
    });
  }

  it('finds after a restart what was committed, and goes on counting', async () => {
    const dir = freshDir();
    const first = openLmdbStore(dir);
    await first.commit([
      { key: 'a', value: Buffer.from('1') },
      { key: 'b', value: Buffer.from('2') },
    ]);
    const revision = first.get('a')?.revision ?? 0;
    await first.commit([{ key: 'a', value: undefined }]);
    await first.close();
    const second = openLmdbStore(dir);
    assert.deepEqual(
      second.list('').map((e) => e.key),
      ['b'],
    );
    await second.commit([{ key: 'a', value: Buffer.from('3') }]);
    assert.ok((second.get('a')?.revision ?? 0) > revision + 1);
    await second.close();
  });

  it('finishes, when closed, the commits that were begun', async () => {
    const dir = freshDir();
    const first = openLmdbStore(dir);
    const all = Array.from({ length: 30 }, (_, i) => first.commit([{ key: `${i}`, value: Buffer.from('1') }]));
    await first.close();
    await Promise.all(all);
    const second = openLmdbStore(dir);
    assert.equal(second.list('').length, 30);
    await second.close();
  });

  for (const [name, damage] of [
    ['cut in half', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['cut to its first page', (file: string) => truncateSync(file, 4096)],
    ['cut to some bytes', (file: string) => truncateSync(file, 10)],
    ['overwritten', (file: string) => writeFileSync(file, Buffer.alloc(statSync(file).size, 0x5a))],
  ] as const) {
    it(`refuses a data file that was ${name}, in a sentence and not by a signal`, async () => {
      const dir = freshDir();
      const first = openLmdbStore(dir);
      const value = Buffer.alloc(3000, 1);
      for (let i = 0; i < 20; i++) await first.commit([{ key: `${i}`, value }]);
      await first.close();
      const file = join(dir, 'state.mdb');
      damage(file);
      const left = readFileSync(file);
      assert.throws(() => openLmdbStore(dir), { code: 'store_corrupt', message: /state\.mdb is damaged .*backup/ });
      assert.deepEqual(readFileSync(file), left);
    });
  }
});

describe('one process on a data directory', () => {
  let dir = '';
  beforeEach(() => {
    dir = freshDir();
  });
  const locked = (pid: number) => ({
    code: 'store_locked',
    message: `the data directory ${dir} is in use by pid ${pid}: stop it, or use another --data`,
  });

  it('refuses a second opening in the same process, and then the first still works', async () => {
    const store = openLmdbStore(dir);
    assert.throws(() => openLmdbStore(dir), locked(process.pid));
    await store.commit([{ key: 'a', value: Buffer.from('1') }]);
    assert.equal(textOf(store, 'a'), '1');
    await store.close();
    await openLmdbStore(dir).close();
  });

  it('names the pid of another process, and takes over once that was killed', async () => {
    const other = committer(dir);
    await until(() => other.lines().includes('open'));
    assert.throws(() => openLmdbStore(dir), locked(other.child.pid ?? 0));
    await kill(other);
    await openLmdbStore(dir).close();
  }).timeout(10_000);

  it('writes nothing more once another process has taken the store over', async () => {
    const store = openLmdbStore(dir);
    const raw = open<Buffer, string>({
      path: join(dir, 'state.mdb'),
      noSubdir: true,
      encoding: 'binary',
      useVersions: true,
    });
    await raw.put('owner', Buffer.from('somebody else'), 1);
    await assert.rejects(store.commit([{ key: 'a', value: Buffer.from('1') }]), {
      code: 'store_unavailable',
      message: /taken over/,
    });
    assert.equal(store.get('a'), undefined);
    await store.close();
    assert.equal(raw.get('owner')?.toString(), 'somebody else');
    await raw.close();
  });

  it('refuses a store of another format', async () => {
    await openLmdbStore(dir).close();
    const raw = open<Buffer, string>({
      path: join(dir, 'state.mdb'),
      noSubdir: true,
      encoding: 'binary',
      useVersions: true,
    });
    await raw.put('format', Buffer.from('9'), 1);
    await raw.close();
    assert.throws(() => openLmdbStore(dir), { code: 'store_format', message: /has format 9 and this Signet reads 1/ });
  });

  it('loses nothing that was reported committed, however often it is killed', async () => {
    let committed = -1;
    for (let round = 0; round < 5; round++) {
      const other = committer(dir, committed + 1);
      await until(() => other.lines().length > 1);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 120));
      await kill(other);
      committed = Math.max(committed, ...other.lines().slice(1).map(Number));
      const store = openLmdbStore(dir);
      assert.ok(Number.parseInt(textOf(store, 'left'), 10) >= committed, 'the newest commit is there');
      assert.equal(textOf(store, 'left'), textOf(store, 'right'), 'no half commit is there');
      for (let n = 0; n <= committed; n++) assert.equal(Number.parseInt(textOf(store, `n/${n}`), 10), n);
      await store.close();
    }
    assert.ok(committed > 10);
  }).timeout(60_000);
});

import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPassphrase } from '../../../src/app/passphrase.ts';
import { reveal } from '../../../src/lib/secret.ts';

describe('the passphrase of the keys', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'signet-passphrase-'));
  });
  afterEach(() => rm(dir, { recursive: true }));
  const write = async (name: string, text: string, mode = 0o600): Promise<string> => {
    const path = join(dir, name);
    await writeFile(path, text);
    await chmod(path, mode);
    return path;
  };
  const read = async (source: Parameters<typeof readPassphrase>[0]): Promise<string | undefined> => {
    const found = await readPassphrase(source);
    return found && reveal(found);
  };

  it('is the line of a file, or what a program prints, or none', async () => {
    assert.equal(await read({ file: await write('a', 'twelve letters\n') }), 'twelve letters');
    assert.equal(
      await read({ command: await write('b', '#!/bin/sh\necho "twelve  letters"\n', 0o700) }),
      'twelve  letters',
    );
    assert.equal(await read({}), undefined);
  });

  it('is refused where others may read it, where it is short, missing or named twice, without a word of it', async () => {
    const file = await write('open', 'twelve letters\n', 0o644);
    const failing = await write('fails', '#!/bin/sh\necho twelve letters >&2; exit 3\n', 0o700);
    const faults: readonly (readonly [Parameters<typeof readPassphrase>[0], RegExp])[] = [
      [{ file }, /others may read it: chmod 600/],
      [{ file: join(dir, 'none') }, /ENOENT/],
      [{ file: await write('short', 'eleven chr.\n') }, /one line of 12 characters or more/],
      [{ file: await write('lines', 'twelve letters\nagain\n') }, /one line/],
      [{ file: await write('large', 'x'.repeat(2000)) }, /too large/],
      [{ command: failing }, /the command for the passphrase, .*fails, failed \(3\)/],
      [{ command: join(dir, 'none') }, /failed \(ENOENT\)/],
      [{ file, command: failing }, /two ways/],
    ];
    for (const [source, complaint] of faults)
      await assert.rejects(readPassphrase(source), (thrown: Error) => {
        assert.match(thrown.message, complaint);
        assert.doesNotMatch(thrown.message, /twelve letters|eleven/);
        return true;
      });
  });
});

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { renew, rootsOf, serialOf, signedMeshYaml } from '../support/signedMesh.ts';
import { useWorld } from '../support/world.ts';

const FIRST = 'correct horse battery';
const SECOND = 'staple of another horse';

describe('a data directory with encrypted keys', function () {
  this.timeout(120_000);
  const world = useWorld();
  let folder: string;
  let mesh: TestMesh;
  let [web, orders]: Sidecar[] = [];
  const file = (name: string): string => join(folder, name);
  const write = (name: string, text: string, mode = 0o600): Promise<void> => writeFile(file(name), text, { mode });
  const byFile = (name: string): readonly string[] => ['--ca-passphrase-file', file(name)];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-passphrase-'));
    await write('first', `${FIRST}\n`);
    await write('second', `${SECOND}\n`);
    await write('print', `#!/bin/sh\ncat '${file('first')}'\n`, 0o700);
    await write('fail', `#!/bin/sh\necho ${FIRST} >&2; exit 3\n`, 0o700);
    mesh = await world.mesh(signedMeshYaml(world.own(await httpApp('orders')).port), byFile('first'));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });
  after(() => rm(folder, { recursive: true }));

  const serials = async (): Promise<readonly (string | undefined)[]> => [
    await serialOf(web, 'web'),
    await serialOf(orders, 'orders'),
  ];
  const connected = (): Promise<void> =>
    eventually(async () => {
      const { sidecars } = await mesh.status();
      assert.deepEqual(sidecars.map(({ node }) => node).sort(), [orders?.node, web?.node].sort());
    }, 40_000);
  /** Nothing but the words of the refusal: neither keys nor a passphrase. */
  const refused = async (args: readonly string[], words: RegExp): Promise<void> => {
    const { code, stdout, stderr } = await mesh.signet('serve', '--config', mesh.file, '--data', mesh.data, ...args);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, new RegExp(`PRIVATE|${FIRST}|${SECOND}`));
  };

  it('holds no key in clear', async () => {
    const bytes = await readFile(join(mesh.data, 'state.mdb'), 'latin1');
    assert.ok(bytes.includes('ca/mesh') && bytes.includes('signet-sealed-1'));
    assert.doesNotMatch(bytes, /PRIVATE KEY|correct horse/);
  });

  it('is refused by name without its passphrase or with another; by a program that prints it, everybody is back', async () => {
    const before = [await serials(), await rootsOf(mesh)];
    const load = world.load(web, { host: 'orders' });
    await mesh.kill();
    for (const [args, words] of [
      [[], /^signet: the keys in the data directory are encrypted: name their passphrase with --ca-passphrase-file/],
      [
        byFile('second'),
        /^signet: the passphrase is not the one that the keys in the data directory are encrypted with/,
      ],
      [['--ca-passphrase-command', file('fail')], /^signet: the command for the passphrase, .*fail, failed \(3\)/],
    ] as const)
      await refused(args, words);
    await mesh.start(['--ca-passphrase-command', file('print')]);
    await connected();
    assert.deepEqual([await serials(), await rootsOf(mesh)], before);
    await renew(mesh, web, 'web');
    await renew(mesh, orders, 'orders');
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 100, `only ${ok} calls were made`);
  });

  it('takes another passphrase while Signet is stopped and its sidecars run on, and forgets the one before', async () => {
    const before = [await serials(), await rootsOf(mesh)];
    const load = world.load(web, { host: 'orders' });
    const change = (from: string, to: string) =>
      mesh.signet('ca', 'passphrase', '--data', mesh.data, ...byFile(from), '--new-passphrase-file', file(to));
    const early = await change('first', 'second');
    assert.equal(early.code, 1);
    assert.match(early.stderr, /^signet: the data directory .* is in use by pid \d+/);
    await mesh.kill();
    assert.equal((await change('second', 'first')).code, 1);
    const { code, stdout, stderr } = await change('first', 'second');
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'the keys are encrypted with the new passphrase\n');
    await refused(byFile('first'), /^signet: the passphrase is not the one/);
    await mesh.start(byFile('second'));
    await connected();
    assert.deepEqual([await serials(), await rootsOf(mesh)], before);
    await renew(mesh, web, 'web');
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 100, `only ${ok} calls were made`);
  });
});

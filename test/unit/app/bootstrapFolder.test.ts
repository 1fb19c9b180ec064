import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BootstrapFolder } from '../../../src/app/bootstrapFolder.ts';
import { TestControl } from '../../support/controlPlane.ts';
import { until } from '../../support/until.ts';

const MESH = `mesh:
  trustDomain: shop.example
namespaces:
  prod:
    services:
      web: {}
      debug: {}
`;
const DAY = 86_400_000;

describe('the folder of bootstraps', () => {
  let test: TestControl;
  let folder: BootstrapFolder;
  let path: string;
  const file = (service: string): string => join(path, service, 'envoy.json');
  const read = (service: string): Promise<string> => readFile(file(service), 'utf8');
  const tokenOf = (text: string): string => /Bearer (\S+)"/.exec(text)?.[1] ?? '';

  const open = async (): Promise<void> => {
    const { control, store, clock } = test;
    const log = { info: () => {}, warn: () => {}, error: (_: unknown, sentence: string) => assert.fail(sentence) };
    const { tokens, bootstraps } = control;
    const mesh = () => control.meshState().mesh;
    folder = new BootstrapFolder({ folder: path, store, tokens, bootstraps, clock, mesh, log });
    await folder.open();
  };

  beforeEach(async () => {
    test = await TestControl.start(MESH);
    path = join(test.folder, 'bootstraps');
    await open();
  });
  afterEach(async () => {
    await folder.close();
    await test.close();
  });

  it('holds a private bootstrap for every service, good for many instances', async () => {
    const text = await read('prod/web');
    assert.equal((await stat(file('prod/web'))).mode & 0o777, 0o600);
    for (const below of ['', 'prod', 'prod/web']) assert.equal((await stat(join(path, below))).mode & 0o777, 0o700);
    assert.match(JSON.parse(text).node.id, /^prod\/web\/[0-9a-f]+$/);
    assert.notEqual(tokenOf(text), tokenOf(await read('prod/debug')));
    for (const name of ['a', 'b', 'c']) {
      assert.equal(typeof (await test.connect(tokenOf(text), `prod/web/${name}`)), 'string');
    }
  });

  it('is the same after a restart, and long before the token ends', async () => {
    const before = await read('prod/web');
    await folder.close();
    await open();
    assert.equal(await read('prod/web'), before);
    for (let step = 0; step < 5; step++) {
      test.clock.jump(14 * DAY);
      await test.clock.skip(3_600_000);
      // The disk does not live by the fake clock.
      await until(() => test.control.listTokens().every(({ expires }) => expires - test.clock.now() > 15 * DAY));
    }
    await folder.close();
    assert.equal(await read('prod/web'), before);
    assert.equal(typeof (await test.connect(tokenOf(before), 'prod/web/late')), 'string');
  });

  it('replaces a file that is broken, gone, or whose token was revoked', async () => {
    const before = await read('prod/web');
    await writeFile(file('prod/web'), before.slice(0, 100));
    await rm(join(path, 'prod/debug'), { recursive: true });
    await folder.close();
    await open();
    const after = await read('prod/web');
    assert.notEqual(tokenOf(after), tokenOf(before));
    assert.notEqual(tokenOf(await read('prod/debug')), '');
    await test.control.revokeToken(tokenOf(after).split('_')[1] ?? '');
    await folder.close();
    await open();
    assert.notEqual(tokenOf(await read('prod/web')), tokenOf(after));
  });

  it('gives no new token to who was revoked with its identity, until the file is removed', async () => {
    const before = await read('prod/web');
    await test.control.revocation.revoke({ what: 'prod/web' });
    await folder.close();
    await open();
    assert.equal(await read('prod/web'), before);
    await rm(file('prod/web'));
    await test.clock.advance(5_000);
    await folder.close();
    const after = await read('prod/web');
    assert.equal(typeof (await test.connect(tokenOf(after), 'prod/web/a')), 'string');
  });

  it('follows the mesh: removes what it wrote, revokes its token, and leaves what others wrote', async () => {
    const token = tokenOf(await read('prod/debug'));
    await mkdir(join(path, 'prod/mine'));
    await writeFile(join(path, 'prod/mine/envoy.json'), '{}');
    await chmod(join(path, 'prod/mine'), 0o755);
    await test.save(`${MESH.replace('      debug: {}\n', '')}  staging:\n    services:\n      new: {}\n`);
    folder.changed();
    await folder.close();
    assert.deepEqual((await readdir(join(path, 'prod'))).sort(), ['mine', 'web']);
    assert.match(await read('staging/new'), /Bearer/);
    const answer = await test.connect(token, 'prod/debug/a');
    assert.equal(typeof answer === 'string' ? 'ok' : answer.code, 'unauthenticated');
  });
});

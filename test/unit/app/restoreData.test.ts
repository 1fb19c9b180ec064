import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OUTPUTS } from '../../../src/admin/schemas.ts';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { openLmdbStore } from '../../../src/store/lmdbStore.ts';
import { runCli } from '../../support/cli.ts';
import { NOW, TD } from '../ca/support.ts';

describe('signet ca restore', () => {
  let data: string;

  /** What somebody does to the store while Signet is stopped. */
  const inStore = async <T>(act: (store: ReturnType<typeof openLmdbStore>) => Promise<T>): Promise<T> => {
    const store = openLmdbStore(data);
    try {
      return await act(store);
    } finally {
      await store.close();
    }
  };
  const open = () => inStore(async (store) => (await openAuthority({ store, trustDomain: TD, now: NOW })).mesh);
  const spoil = (key: string) => inStore((store) => store.commit([{ key, value: Buffer.from('{') }]));
  const restore = (...args: readonly string[]) => runCli(['ca', 'restore', '--data', data, ...args]);

  beforeEach(async () => {
    data = join(await mkdtemp(join(tmpdir(), 'signet-restore-')), 'data');
    await inStore(async (store) => {
      const { mesh, channel } = await openAuthority({ store, trustDomain: TD, now: NOW });
      await mesh.rotation.start('root', 'a test', NOW);
      await mesh.rotation.advance(mesh.rotation.plan() ?? assert.fail(), NOW);
      await channel.rotation.prepare(NOW);
    });
  });
  afterEach(() => rm(join(data, '..'), { recursive: true }));

  it('returns what cannot be read to the generation before, and leaves the other as it is', async () => {
    const before = (await open()).describe();
    await spoil('ca/mesh');
    await assert.rejects(open(), /return to the generation before it with signet ca restore/);
    const { code, stdout, stderr } = await restore();
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^restored ca\/mesh: the generation before is generation 4 now\nit was: .*it is not JSON\n/);
    assert.match(stdout, /root +active .*\n.*root +prepared /);
    assert.doesNotMatch(stdout, /ca\/channel|PRIVATE/);
    const mesh = await open();
    assert.deepEqual([mesh.rotation.plan()?.step, mesh.rotation.plan()?.paused], ['distribute', true]);
    assert.notEqual(mesh.describe().root.serial, before.root.serial);
  });

  it('does the same for the channel, and prints JSON', async () => {
    await spoil('ca/channel');
    const { code, stdout } = await restore('-o', 'json');
    assert.equal(code, 0);
    OUTPUTS['ca restore']?.parse(JSON.parse(stdout));
    assert.deepEqual(
      JSON.parse(stdout).restored.map(({ document }: { document: string }) => document),
      ['channel'],
    );
    await open();
  });

  it('changes nothing that can be read, unless --yes says that this is meant', async () => {
    const before = (await open()).describe();
    const no = await restore();
    assert.deepEqual([no.code, no.stdout], [1, '']);
    assert.match(no.stderr, /the certificate authority can be read, so nothing was changed; .* add --yes\n$/);
    assert.deepEqual((await open()).describe(), before);
    assert.equal((await restore('--yes')).code, 0);
    assert.equal((await open()).describe().generation, before.generation + 1);
  });

  it('refuses in one sentence: no state, a store in use, nothing before, a healed compromise', async () => {
    const refused = async (words: RegExp, ...args: readonly string[]): Promise<void> => {
      const { code, stdout, stderr } = await restore(...args);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, words);
      assert.match(stderr, /^signet: [^\n]+\n$/);
    };
    await refused(/holds no state of Signet/, '--data', join(data, 'nowhere'));
    await inStore(() => refused(/is in use by pid \d+: stop it/));
    await inStore(async (store) => {
      const { mesh } = await openAuthority({ store, trustDomain: TD, now: NOW });
      await mesh.rotation.abort('back', NOW);
      for (let i = 0; i < 2; i += 1) await mesh.rotation.advance(mesh.rotation.plan() ?? assert.fail(), NOW);
      await mesh.rotation.start('compromise', 'a test', NOW);
      await mesh.rotation.advance(mesh.rotation.plan() ?? assert.fail(), NOW);
    });
    await refused(/generation \d+ \(ca\/mesh\) has none before it: that one held keys of a compromised CA/, '--yes');
    await inStore((store) => store.commit([{ key: 'ca/mesh/previous', value: undefined }]));
    await refused(/there is no generation before this one/, '--yes');
    await spoil('ca/mesh/previous');
    await spoil('ca/mesh');
    await refused(/\(ca\/mesh\/previous\) cannot be used/);
    for (const key of ['ca/channel', 'ca/channel/previous']) await spoil(key);
    await refused(/nothing of an authority in .* can be read: put a backup back/);
  });
});

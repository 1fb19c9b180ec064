import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { openSealed, resealStore } from '../../../src/ca/sealedStore.ts';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import { secret } from '../../../src/lib/secret.ts';
import type { Store } from '../../../src/lib/store.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { DAY, HOUR, NOW, TD, WEB } from '../../unit/ca/support.ts';

const right = secret('correct horse battery');
const other = secret('incorrect horse battery');
const bytesOf = (store: Store): readonly string[] =>
  store.list('').map(({ key, value }) => `${key} ${Buffer.from(value).toString('latin1')}`);
const inClear = (store: Store): readonly string[] =>
  bytesOf(store).filter((text) => /PRIVATE KEY|BEGIN CERT|trustDomain/.test(text));

/** A mesh with a generation before, a running rotation, a request and a workload's certificate. */
const usedMesh = async (store: Store) => {
  const { mesh } = await openAuthority({ store, trustDomain: TD, now: NOW });
  await createSvidKeeper({ store, authority: mesh, now: NOW }).current('prod/web/1', WEB, DAY, NOW);
  await mesh.rotation.start('root', 'a test', NOW);
  return mesh;
};
const reopened = async (store: Store, passphrase = right) => {
  const sealed = await openSealed(store, passphrase);
  const { mesh } = await openAuthority({ store: sealed, trustDomain: TD, now: NOW });
  return { mesh, svids: createSvidKeeper({ store: sealed, authority: mesh, now: NOW }).list() };
};

describe('keys at rest', () => {
  it('are nowhere in clear from the first write on, and a later start reads them', async () => {
    const store = memoryStore();
    const before = await usedMesh(await openSealed(store, right));
    assert.deepEqual(inClear(store), []);
    const { mesh, svids } = await reopened(store);
    assert.deepEqual(mesh.describe().slots, before.describe().slots);
    assert.equal(svids.length, 1);
    await mesh.rotation.abort('a test', NOW);
    await mesh.rotation.restorePrevious(NOW);
    assert.deepEqual(inClear(store), []);
  });

  it('that were in clear are encrypted in one commit, the generation before included, or not at all', async () => {
    const store = memoryStore();
    const before = await usedMesh(store);
    const [texts, commits] = [bytesOf(store), [] as number[]];
    assert.equal(inClear(store).length, 4);
    const failing: Store = { ...store, commit: () => Promise.reject(new Error('the disk is full')) };
    await assert.rejects(openSealed(failing, right), /the disk is full/);
    assert.deepEqual(bytesOf(store), texts);
    const commit: Store['commit'] = (writes) => {
      commits.push(writes.length);
      return store.commit(writes);
    };
    const counting: Store = { ...store, commit };
    await openSealed(counting, right);
    assert.deepEqual([commits, inClear(store)], [[5], []]);
    assert.deepEqual((await reopened(store)).mesh.describe().slots, before.describe().slots);
  });

  it('are not opened without the passphrase, or with another one, each said in a sentence, and stay as they are', async () => {
    const store = memoryStore();
    await usedMesh(await openSealed(store, right));
    const texts = bytesOf(store);
    await assert.rejects(openSealed(store, undefined), {
      code: 'ca_sealed',
      message: /--ca-passphrase-file or --ca-passphrase-command/,
    });
    await assert.rejects(openSealed(store, other), { code: 'ca_passphrase', message: /is not the one/ });
    await assert.rejects(resealStore(store, other, right), { code: 'ca_passphrase' });
    await assert.rejects(resealStore(store, undefined, right), { code: 'ca_sealed' });
    assert.deepEqual(bytesOf(store), texts);
  });

  it('take another passphrase, and none', async () => {
    const store = memoryStore();
    const before = await usedMesh(await openSealed(store, right));
    await resealStore(store, right, other);
    assert.deepEqual(inClear(store), []);
    await assert.rejects(openSealed(store, right), { code: 'ca_passphrase' });
    assert.deepEqual((await reopened(store, other)).mesh.describe().slots, before.describe().slots);
    await resealStore(store, other, undefined);
    assert.equal(inClear(store).length, 4);
    const { mesh } = await openAuthority({ store: await openSealed(store, undefined), trustDomain: TD, now: NOW });
    assert.deepEqual(mesh.describe().slots, before.describe().slots);
  });

  const damages: readonly (readonly [string, (store: Store) => Promise<void>])[] = [
    [
      'changed',
      async (store) => {
        const value = Buffer.from(store.get('ca/mesh')?.value ?? []);
        value[200] = (value[200] ?? 0) ^ 1;
        await store.commit([{ key: 'ca/mesh', value }]);
      },
    ],
    [
      'another entry’s',
      async (store) => store.commit([{ key: 'ca/mesh', value: store.get('ca/mesh/previous')?.value }]),
    ],
    ['in clear', async (store) => store.commit([{ key: 'ca/mesh', value: Buffer.from('{"schema":2}') }])],
    ['cut', async (store) => store.commit([{ key: 'ca/mesh', value: store.get('ca/mesh')?.value.subarray(0, 30) }])],
  ];
  for (const [name, damage] of damages)
    it(`that are ${name} are refused by name, with the command that helps, and never encrypted over`, async () => {
      const store = memoryStore();
      await usedMesh(await openSealed(store, right));
      await damage(store);
      const texts = bytesOf(store);
      await assert.rejects(reopened(store), { code: 'ca_corrupt', message: /\(ca\/mesh\).*signet ca restore/ });
      await assert.rejects(resealStore(store, right, other), {
        code: 'ca_corrupt',
        message: /ca\/mesh in the store cannot be decrypted/,
      });
      assert.deepEqual(bytesOf(store), texts);
    });

  it('with a header that is damaged, or that asks for a year of work, are refused', async () => {
    for (const change of [() => 'x', () => '{}', (text: string) => text.replace('65536', '1073741824')]) {
      const store = memoryStore();
      await openSealed(store, right);
      await store.commit([
        { key: 'seal', value: Buffer.from(change(Buffer.from(store.get('seal')?.value ?? []).toString())) },
      ]);
      await assert.rejects(openSealed(store, right), { code: 'ca_corrupt', message: /\(seal\)/ });
    }
  });

  it('whose header is gone are refused, with a passphrase and without, and never encrypted once more', async () => {
    const store = memoryStore();
    await usedMesh(await openSealed(store, right));
    await store.commit([{ key: 'seal', value: undefined }]);
    const texts = bytesOf(store);
    for (const passphrase of [right, undefined])
      await assert.rejects(openSealed(store, passphrase), { code: 'ca_corrupt', message: /\(seal\)/ });
    await assert.rejects(resealStore(store, undefined, right), { code: 'ca_corrupt' });
    assert.deepEqual(bytesOf(store), texts);
  });

  it('in clear where a passphrase is given are told of, for they may be somebody else’s; a first start is not', async () => {
    let told = 0;
    const tell = (): void => void told++;
    const store = memoryStore();
    await usedMesh(await openSealed(store, right, tell));
    await openSealed(store, right, tell);
    assert.equal(told, 0);
    await resealStore(store, right, undefined);
    await openSealed(store, right, tell);
    assert.equal(told, 1);
  });

  it('one certificate of a workload that cannot be opened is none, and the rest serves', async () => {
    const store = memoryStore();
    await usedMesh(await openSealed(store, right));
    await store.commit([{ key: 'svid/prod/web/1', value: Buffer.from('x') }]);
    const { svids, mesh } = await reopened(store);
    assert.equal(svids.length, 0);
    await mesh.obtain(WEB, HOUR, NOW);
  });
});

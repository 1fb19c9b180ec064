import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, it } from 'mocha';
import { readJournal } from '../../../src/ca/caDocument.ts';
import { restoreAuthority } from '../../../src/ca/openAuthority.ts';
import type { Store } from '../../../src/lib/store.ts';
import { bundle, refusal, started, states, step, textOf } from './rotating.ts';
import { DAY, freshMesh, NOW, opensslVerify, split, TD, WEB } from './support.ts';

/** Schema 1, byte for byte as the Signet before wrote it. */
const asSchema1 = async (store: Store) => {
  const mesh = JSON.parse(textOf(store, 'ca/mesh'));
  const channel = JSON.parse(textOf(store, 'ca/channel'));
  const pair = ({ certificate, key }: { certificate: string; key: string }) => ({ certificate, key });
  const head = { schema: 1, trustDomain: TD };
  const old = { ...head, root: pair(mesh.roots[0]), intermediate: pair(mesh.intermediates[0]) };
  const documents = { 'ca/mesh': old, 'ca/channel': { ...head, anchor: pair(channel.anchors[0]) } };
  for (const { key } of store.list('ca/')) await store.commit([{ key, value: undefined }]);
  for (const [key, value] of Object.entries(documents))
    await store.commit([{ key, value: Buffer.from(JSON.stringify(value)) }]);
  return { old, anchor: pair(channel.anchors[0]) };
};

describe('a data directory of schema 1', () => {
  it('opens, keeps its CAs and keys byte for byte, and is not rewritten until something changes', async () => {
    const first = await freshMesh();
    const { root, intermediate } = first.mesh.describe();
    const { store } = first;
    const { old, anchor } = await asSchema1(store);
    const texts = store.list('').map(({ key }) => `${key} ${textOf(store, key)}`);
    const again = await freshMesh(NOW, store);
    assert.deepEqual(
      [again.mesh.describe().root, again.mesh.describe().intermediate, again.channel.anchor()],
      [root, intermediate, anchor.certificate],
    );
    assert.equal(again.mesh.describe().generation, 1);
    assert.deepEqual(
      store.list('').map(({ key }) => `${key} ${textOf(store, key)}`),
      texts,
    );
    await again.mesh.rotation.start('root', 'a test', NOW);
    await again.channel.rotation.prepare(NOW);
    const written = JSON.parse(textOf(store, 'ca/mesh'));
    assert.deepEqual(
      [written.schema, written.generation, written.roots[0].certificate, written.roots[0].key],
      [2, 2, old.root.certificate, old.root.key],
    );
    assert.deepEqual(
      [written.intermediates[0].certificate, written.intermediates[0].key],
      Object.values(old.intermediate),
    );
    assert.equal(JSON.parse(textOf(store, 'ca/channel')).anchors[0].key, anchor.key);
    assert.equal(textOf(store, 'ca/mesh/previous'), JSON.stringify(old));
    await again.mesh.rotation.restorePrevious(NOW);
    assert.deepEqual((await freshMesh(NOW, store)).mesh.describe().slots.length, 2);
  });
});

describe('the rotation of the root', () => {
  it('distributes, issues and retires, each step a commit that a restart finds', async () => {
    const { mesh, store, before } = await started('root');
    assert.deepEqual(
      [states(mesh, 'root'), states(mesh, 'intermediate')],
      [
        ['active', 'prepared'],
        ['active', 'prepared'],
      ],
    );
    assert.equal(mesh.describe().intermediate.serial, before.intermediate.serial);
    const union = bundle(mesh);
    assert.equal(split(union).length, 2);
    assert.ok(union.startsWith(before.bundle));

    await step(mesh, NOW + 2000);
    assert.deepEqual(
      [states(mesh, 'root'), states(mesh, 'intermediate')],
      [
        ['old', 'active'],
        ['old', 'active'],
      ],
    );
    assert.equal(bundle(mesh), union);
    const leaf = mesh.issue(WEB, DAY, NOW + 2000);
    assert.equal(opensslVerify(leaf.chainPem, split(union)[1] ?? '', 'sslclient', NOW + 2000), 'OK');
    assert.notEqual(opensslVerify(leaf.chainPem, before.bundle, 'sslclient', NOW + 2000), 'OK');
    const again = (await freshMesh(NOW + 2000, store)).mesh;
    assert.deepEqual([again.describe(), again.rotation.plan()], [mesh.describe(), mesh.rotation.plan()]);
    for (const svid of [leaf, before.leaf]) assert.ok(again.vouchesFor(svid, NOW + 2000));

    await step(again, NOW + 3000);
    await step(again, NOW + 4000);
    assert.deepEqual([states(again, 'root'), states(again, 'intermediate')], [['active'], ['active']]);
    assert.equal(bundle(again), split(union)[1]);
    assert.equal(again.rotation.plan(), undefined);
    assert.ok(again.vouchesFor(leaf, NOW + 4000) && !again.vouchesFor(before.leaf, NOW + 4000));
    assert.deepEqual(
      readJournal(store, 'ca/mesh').map(({ from, to }) => [from, to]),
      [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 4],
        [4, 5],
      ],
    );
    assert.doesNotMatch(JSON.stringify(readJournal(store, 'ca/mesh')), /PRIVATE|BEGIN/);
  });

  it('gives the bundle as another object only when the roots change', async () => {
    const { mesh } = await started('root');
    const held = mesh.trustBundle();
    assert.equal(mesh.trustBundle(), held);
    await mesh.rotation.pause(NOW);
    assert.equal(mesh.trustBundle(), held);
    await mesh.rotation.resume(NOW);
    await step(mesh, NOW);
    assert.notEqual(mesh.trustBundle(), held);
  });

  it('is one at a time, ends each step once, and not while paused', async () => {
    const { mesh } = await started('root');
    const { id } = mesh.rotation.plan() ?? { id: '' };
    await assert.rejects(mesh.rotation.start('root', 'x', NOW), refusal(/is at its step distribute/));
    await assert.rejects(mesh.rotation.advance({ id, step: 'issue' }, NOW), refusal(/is not at its step issue/));
    await assert.rejects(mesh.rotation.advance({ id: 'other', step: 'distribute' }, NOW), refusal(/not at its step/));
    await mesh.rotation.pause(NOW);
    await assert.rejects(step(mesh, NOW), refusal(/paused/));
    await mesh.rotation.resume(NOW);
    const both = await Promise.allSettled([step(mesh, NOW), step(mesh, NOW)]);
    assert.deepEqual(
      both.map((one) => one.status),
      ['fulfilled', 'rejected'],
    );
    const idle = (await freshMesh()).mesh.rotation;
    for (const ask of [idle.pause(NOW), idle.resume(NOW), idle.abort('x', NOW)])
      await assert.rejects(ask, refusal(/no rotation is running/));
  });

  it('is aborted at every step: before issuing the new root is dropped, after it the old one signs again', async () => {
    for (const steps of [0, 1, 2]) {
      const { mesh, before } = await started('root');
      for (let i = 0; i < steps; i++) await step(mesh, NOW + 2000 + i);
      const made = mesh.issue(WEB, DAY, NOW + 3000);
      await mesh.rotation.abort('changed my mind', NOW + 4000);
      assert.equal(mesh.describe().root.serial, before.root.serial);
      assert.equal(mesh.describe().intermediate.serial, before.intermediate.serial);
      assert.ok(mesh.vouchesFor(made, NOW + 4000));
      assert.deepEqual([steps, mesh.rotation.plan()?.step], [steps, steps === 0 ? undefined : 'issue']);
      if (steps === 0) assert.equal(bundle(mesh), before.bundle);
      else {
        await step(mesh, NOW + 5000);
        await step(mesh, NOW + 6000);
        assert.deepEqual([states(mesh, 'root'), bundle(mesh)], [['active'], before.bundle]);
      }
    }
  });

  it('goes on over a renewal of the intermediate', async () => {
    const { mesh } = await started('root');
    const later = NOW + 200 * DAY;
    await mesh.prepare(DAY, later);
    assert.deepEqual(states(mesh, 'intermediate'), ['old', 'prepared', 'active']);
    await step(mesh, later);
    assert.deepEqual(states(mesh, 'intermediate'), ['old', 'active', 'old']);
    await mesh.prepare(DAY, later);
    await step(mesh, later);
    await step(mesh, later);
    assert.deepEqual(states(mesh, 'root'), ['active']);
    assert.equal(opensslVerify(mesh.issue(WEB, DAY, later).chainPem, bundle(mesh), 'sslserver', later), 'OK');
  });

  it('that could not be stored did not happen', async () => {
    const { store } = await freshMesh();
    const { mesh } = await freshMesh(NOW, { ...store, commit: () => Promise.reject(new Error('disk full')) });
    const before = mesh.describe();
    await assert.rejects(mesh.rotation.start('root', 'x', NOW), /disk full/);
    assert.deepEqual([mesh.describe(), mesh.rotation.plan()], [before, undefined]);
  });

  it('is refused to whoever holds an older state than the store', async () => {
    const { mesh, store } = await freshMesh();
    const other = (await freshMesh(NOW, store)).mesh;
    await mesh.rotation.start('root', 'x', NOW);
    await assert.rejects(other.rotation.start('root', 'y', NOW), { code: 'conflict' });
    assert.deepEqual((await freshMesh(NOW, store)).mesh.rotation.plan(), mesh.rotation.plan());
  });
});

describe('the rotation of the intermediate', () => {
  it('signs at once, below the same root, and holds off the renewal', async () => {
    const { mesh, before } = await started('intermediate');
    assert.equal(mesh.rotation.plan()?.step, 'issue');
    assert.deepEqual([states(mesh, 'intermediate'), bundle(mesh)], [['old', 'active'], before.bundle]);
    const { serial } = mesh.describe().intermediate;
    await mesh.prepare(DAY, NOW + 200 * DAY);
    assert.equal(mesh.describe().intermediate.serial, serial);
    await mesh.rotation.abort('x', NOW + 1);
    assert.equal(mesh.describe().intermediate.serial, before.intermediate.serial);
    await step(mesh, NOW + 2);
    await step(mesh, NOW + 3);
    assert.deepEqual(states(mesh, 'intermediate'), ['active']);
  });
});

describe('ca restore', () => {
  it('swaps two generations, a plan in them paused, and swaps back', async () => {
    const { mesh, store } = await started('root');
    await step(mesh, NOW + 2000);
    const [before, serial] = [mesh.describe(), mesh.describe().root.serial];
    await mesh.rotation.restorePrevious(NOW + 3000);
    assert.deepEqual([states(mesh, 'root'), mesh.rotation.plan()?.paused], [['active', 'prepared'], true]);
    assert.equal(mesh.describe().generation, before.generation + 1);
    assert.deepEqual((await freshMesh(NOW, store)).mesh.describe(), mesh.describe());
    await mesh.rotation.restorePrevious(NOW + 4000);
    assert.equal(mesh.describe().root.serial, serial);
    assert.match(readJournal(store, 'ca/mesh').at(-1)?.what ?? '', /^restored generation 3$/);
  });

  it('returns what is damaged or gone to the generation before, and loses nothing that it replaced', async () => {
    for (const damage of ['{"schema":2', undefined]) {
      const { mesh, store } = await started('root');
      const anchor = (await freshMesh(NOW, store)).channel.anchor();
      const value = damage === undefined ? undefined : Buffer.from(damage);
      await store.commit([{ key: 'ca/mesh', value }]);
      await assert.rejects(freshMesh(NOW, store), {
        code: 'ca_corrupt',
        message: /with signet ca restore while Signet/,
      });
      assert.deepEqual(await restoreAuthority(store, [TD], NOW), ['mesh']);
      const again = await freshMesh(NOW, store);
      assert.equal(again.mesh.describe().root.serial, mesh.describe().root.serial);
      assert.deepEqual([states(again.mesh, 'root'), again.channel.anchor()], [['active'], anchor]);
      if (damage !== undefined) assert.equal(textOf(store, 'ca/mesh/previous'), damage);
    }
  });

  it('is refused by name where there is nothing before, or that is damaged or foreign too', async () => {
    const { mesh, store } = await freshMesh();
    await assert.rejects(mesh.rotation.restorePrevious(NOW), { code: 'ca_nothing_before', message: /put a backup/ });
    await mesh.rotation.start('root', 'x', NOW);
    await store.commit([{ key: 'ca/mesh/previous', value: Buffer.from('{"-----BEGIN PRIVATE KEY') }]);
    await assert.rejects(mesh.rotation.restorePrevious(NOW), (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, 'ca_corrupt');
      assert.match(thrown.message, /ca\/mesh\/previous.*not JSON/);
      assert.doesNotMatch(inspect(thrown), /PRIVATE/);
      return true;
    });
    assert.deepEqual((await freshMesh(NOW, store)).mesh.describe(), mesh.describe());
  });
});

describe('the channel CA', () => {
  it('puts a second anchor into bootstraps first, and signs with it when it is told to', async () => {
    const { channel, store } = await freshMesh();
    const [first, server] = [channel.anchor(), channel.serverCredentials(NOW).chainPem];
    await channel.rotation.prepare(NOW);
    await assert.rejects(channel.rotation.prepare(NOW), refusal(/prepared already/));
    assert.ok(channel.anchor().startsWith(first) && split(channel.anchor()).length === 2);
    assert.equal(channel.serverCredentials(NOW).chainPem, server);
    assert.equal((await freshMesh(NOW, store)).channel.anchor(), channel.anchor());
    const old = new X509Certificate(first);
    assert.equal(channel.describe().serial, old.serialNumber.toLowerCase());

    await channel.rotation.activate(NOW);
    const next = channel.serverCredentials(NOW).chainPem;
    assert.equal(opensslVerify(next, split(channel.anchor())[1] ?? '', 'sslserver', NOW), 'OK');
    assert.notEqual(opensslVerify(next, first, 'sslserver', NOW), 'OK');
    await assert.rejects(channel.rotation.activate(NOW), refusal(/no anchor of the channel is prepared/));

    await channel.rotation.abort(NOW);
    assert.equal(opensslVerify(channel.serverCredentials(NOW).chainPem, first, 'sslserver', NOW), 'OK');
    await channel.rotation.restorePrevious(NOW);
    await channel.rotation.retire(NOW);
    assert.deepEqual(
      channel.slots().map(({ state }) => state),
      ['active'],
    );
    assert.equal(opensslVerify(channel.serverCredentials(NOW).chainPem, channel.anchor(), 'sslserver', NOW), 'OK');
    assert.notEqual(channel.anchor(), first);
  });

  it('drops a prepared anchor, and has no other to go back to then', async () => {
    const { channel } = await freshMesh();
    const first = channel.anchor();
    await channel.rotation.prepare(NOW);
    await channel.rotation.abort(NOW);
    assert.equal(channel.anchor(), first);
    await assert.rejects(channel.rotation.abort(NOW), refusal(/no rotation of the anchor/));
  });
});

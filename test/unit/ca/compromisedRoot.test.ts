import assert from 'node:assert/strict';
import type { MeshAuthority } from '../../../src/ca/authority.ts';
import { restoreAuthority } from '../../../src/ca/openAuthority.ts';
import { bundle, refusal, started, states, step, textOf } from './rotating.ts';
import { DAY, freshMesh, NOW, split, TD, WEB } from './support.ts';

describe('a compromised root', () => {
  it('is tainted when the new one signs, never signs again, and is revoked without its key', async () => {
    const { mesh, store, before } = await started('compromise');
    await assert.rejects(mesh.rotation.abort('x', NOW + 1000), refusal(/there is no way back to it/));
    await step(mesh, NOW + 2000);
    assert.deepEqual(
      [states(mesh, 'root'), states(mesh, 'intermediate')],
      [
        ['tainted', 'active'],
        ['tainted', 'active'],
      ],
    );
    assert.equal(split(bundle(mesh)).length, 2);
    await assert.rejects(
      mesh.rotation.abort('x', NOW),
      refusal(/is tainted, and one that was compromised never signs/),
    );
    await assert.rejects(mesh.rotation.restorePrevious(NOW), refusal(/held keys of a compromised CA, and nobody may/));
    await step(mesh, NOW + 3000);
    await step(mesh, NOW + 4000);
    assert.deepEqual(
      [states(mesh, 'root'), states(mesh, 'intermediate')],
      [
        ['revoked', 'active'],
        ['revoked', 'active'],
      ],
    );
    assert.equal(split(bundle(mesh)).length, 1);
    assert.ok(!mesh.vouchesFor(before.leaf, NOW + 4000));
    await assert.rejects(mesh.rotation.restorePrevious(NOW), refusal(/as tainted, and it is revoked now/));
    assert.equal(textOf(store, 'ca/mesh').match(/BEGIN PRIVATE KEY/g)?.length, 2);
    const again = (await freshMesh(NOW, store)).mesh;
    assert.deepEqual(again.describe(), mesh.describe());
    await again.rotation.start('root', 'the next', NOW + 5000);
  });

  it('leaves no key of it anywhere from the moment on when it is tainted, nor a generation that goes back to it', async () => {
    for (const after of ['issue', 'retire', undefined]) {
      const { mesh, store } = await started('compromise');
      const document = JSON.parse(textOf(store, 'ca/mesh'));
      const [dead, next] = [0, 1].map((at) => [document.roots[at].key, document.intermediates[at].key]);
      for (let now = NOW + 2000; mesh.rotation.plan()?.step !== after; now += 1000) await step(mesh, now);
      for (const { key } of store.list('ca/'))
        for (const one of dead ?? []) assert.ok(!textOf(store, key).includes(JSON.stringify(one)), `${key} ${after}`);
      for (const one of next ?? []) assert.ok(textOf(store, 'ca/mesh/previous').includes(JSON.stringify(one)));
      await store.commit([{ key: 'ca/mesh', value: Buffer.from('{') }]);
      assert.deepEqual(await restoreAuthority(store, [TD], NOW), ['mesh']);
      const again = (await freshMesh(NOW, store)).mesh;
      assert.deepEqual(states(again, 'root'), ['tainted', 'active']);
      assert.equal(again.issue(WEB, DAY, NOW + 5000).chainPem.match(/BEGIN/g)?.length, 2);
      await again.rotation.resume(NOW + 5000);
      while (again.rotation.plan() !== undefined) await step(again, NOW + 6000);
      assert.deepEqual(states(again, 'root'), ['revoked', 'active']);
    }
  });

  it('is told of at every step of another rotation, of which the root that goes is meant', async () => {
    const told = (mesh: MeshAuthority) => mesh.rotation.start('compromise', 'a stick', NOW + 5000);
    const slots = async (at: 'distribute' | 'issue' | 'retire') => {
      const { mesh, store, before } = await started('root');
      while (mesh.rotation.plan()?.step !== at) await step(mesh, NOW + 2000);
      await mesh.rotation.pause(NOW + 3000);
      await told(mesh);
      const { kind, step: now, paused, from } = mesh.rotation.plan() ?? {};
      assert.deepEqual([kind, now, paused, from], ['compromise', at, false, before.root.serial]);
      assert.equal(mesh.mayServe(before.leaf), at === 'distribute');
      assert.equal(JSON.parse(textOf(store, 'ca/mesh')).roots[0].key !== undefined, at === 'distribute');
      await assert.rejects(mesh.rotation.abort('x', NOW + 5500), refusal(/no way back|never signs/));
      await assert.rejects(told(mesh), refusal(/is away from a compromised root: let it end/));
      while (mesh.rotation.plan() !== undefined) await step(mesh, NOW + 6000);
      return states(mesh, 'root');
    };
    for (const at of ['distribute', 'issue', 'retire'] as const)
      assert.deepEqual(await slots(at), ['revoked', 'active']);
  });

  it('is the one that an abort leads away from, where that is told of', async () => {
    const { mesh, before } = await started('root');
    await step(mesh, NOW + 2000);
    const next = mesh.describe().root.serial;
    await mesh.rotation.abort('x', NOW + 3000);
    await mesh.rotation.start('compromise', 'the new one', NOW + 4000);
    assert.equal(mesh.rotation.plan()?.from, next);
    while (mesh.rotation.plan() !== undefined) await step(mesh, NOW + 5000);
    assert.deepEqual([states(mesh, 'root'), mesh.describe().root.serial], [['active', 'revoked'], before.root.serial]);
  });

  it('takes with it the intermediates that a rotation of them was about', async () => {
    const { mesh } = await started('intermediate');
    await mesh.rotation.start('compromise', 'a stick', NOW + 2000);
    assert.equal(mesh.rotation.plan()?.step, 'distribute');
    await step(mesh, NOW + 3000);
    assert.deepEqual(states(mesh, 'intermediate'), ['tainted', 'tainted', 'active']);
  });

  it('is gone back to only where the new one can sign no more', async () => {
    const { mesh } = await started('compromise');
    await assert.rejects(step(mesh, NOW + 400 * DAY), refusal(/is not valid at/));
    await mesh.rotation.abort('x', NOW + 400 * DAY);
    assert.deepEqual([mesh.rotation.plan(), states(mesh, 'root')], [undefined, ['active']]);
  });
});

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import { workloadId } from '../../../src/spiffe/spiffeId.ts';
import { openLmdbStore } from '../../../src/store/lmdbStore.ts';
import { DAY, freshMesh, HOUR, NOW, TD, WEB } from './support.ts';

const A = 'prod/web/a';

const fresh = async () => {
  const { mesh, store } = await freshMesh();
  return { store, mesh, keeper: createSvidKeeper({ store, authority: mesh, now: NOW }) };
};

describe('the ledger of issued certificates', () => {
  it('knows every certificate until it ends, by its digest, over renewals, restarts and forgotten instances', async () => {
    const { keeper, store, mesh } = await fresh();
    const all = [];
    for (let i = 0; i < 20; i++) all.push(await keeper.renew(A, WEB, DAY, NOW + i));
    await keeper.current('prod/web/b', workloadId(TD, 'prod', 'site'), HOUR, NOW);
    await keeper.forget(A);
    for (const one of [keeper, createSvidKeeper({ store, authority: mesh, now: NOW })]) {
      const live = one.live(NOW + 2 * HOUR);
      assert.deepEqual(
        live.map(({ serial, instance, id, digest, notAfter }) => [serial, instance, id, digest, notAfter]).sort(),
        all
          .map(({ serial, id, notAfter, chainPem }) => {
            const { fingerprint256 } = new X509Certificate(chainPem);
            return [serial, A, id, fingerprint256.replaceAll(':', '').toLowerCase(), notAfter];
          })
          .sort(),
      );
    }
    await keeper.forgetExpired(NOW + 2 * DAY);
    assert.deepEqual(store.list('issued/'), []);
  });

  it('knows what a Signet issued that kept no ledger', async () => {
    const { keeper, store, mesh } = await fresh();
    const { serial } = await keeper.current(A, WEB, DAY, NOW);
    await store.commit([{ key: `issued/${serial}`, value: undefined }]);
    const later = createSvidKeeper({ store, authority: mesh, now: NOW });
    assert.deepEqual(
      later.live(NOW).map((one) => one.serial),
      [serial],
    );
  });
});

describe('an instance that is barred', () => {
  it('loses what it holds and gets nothing, until the bar is lifted', async () => {
    const { keeper, store } = await fresh();
    const { serial } = await keeper.current(A, WEB, DAY, NOW);
    await keeper.bar([A], NOW, (writes) => store.commit(writes));
    assert.equal(keeper.holderOf(serial, NOW), undefined);
    for (const ask of [keeper.current, keeper.renew])
      await assert.rejects(ask(A, WEB, DAY, NOW), {
        code: 'instance_revoked',
        message: `${A} was revoked: it gets no certificate until it has joined with a new token`,
      });
    assert.equal(keeper.live(NOW).length, 1);
    await keeper.current('prod/web/b', WEB, DAY, NOW);
    await store.commit([{ key: `barred/${A}`, value: undefined }]);
    assert.notEqual((await keeper.current(A, WEB, DAY, NOW)).serial, serial);
  });

  it('keeps what it has if the bar cannot be kept', async () => {
    const { keeper } = await fresh();
    const before = await keeper.current(A, WEB, DAY, NOW);
    const refuse = async () => assert.fail('no');
    await assert.rejects(keeper.bar([A], NOW, refuse));
    assert.equal(await keeper.current(A, WEB, DAY, NOW), before);
  });

  it('has no certificate that nobody knows of, whichever moment it is barred in', async () => {
    for (let wait = 0; wait < 6; wait++) {
      const { keeper, store } = await fresh();
      await keeper.current(A, WEB, DAY, NOW);
      const renewal = keeper.renew(A, WEB, DAY, NOW).then(
        ({ serial }) => serial,
        (error: { code?: string }) => error.code,
      );
      for (let turn = 0; turn < wait; turn++) await new Promise((resolve) => setImmediate(resolve));
      await keeper.bar([A], NOW, (writes) => store.commit(writes));
      const known = keeper.live(NOW).map(({ serial }) => serial);
      const outcome = await renewal;
      assert.ok(outcome === 'instance_revoked' || known.includes(outcome ?? ''), `${wait}: ${outcome}`);
      assert.equal(store.get(`svid/${A}`), undefined);
      assert.deepEqual(keeper.list(), []);
    }
  });

  it('holds nothing once it is barred, although the store writes the bar in one go with a certificate', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'signet-issued-'));
    const store = openLmdbStore(folder);
    try {
      const { mesh } = await freshMesh(NOW, store);
      const keeper = createSvidKeeper({ store, authority: mesh, now: NOW });
      const outcomes = new Set<string>();
      for (let turns = 0; turns < 12; turns++) {
        const instance = `prod/web/${turns}`;
        const busy = store.commit([{ key: 'busy', value: Buffer.from('x') }]);
        const issuing = keeper.renew(instance, WEB, DAY, NOW).then(
          () => 'issued',
          (error: { code?: string }) => error.code ?? '',
        );
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        await keeper.bar([instance], NOW, (writes) => store.commit(writes));
        const known = keeper.live(NOW).length;
        await busy;
        outcomes.add(await issuing);
        assert.deepEqual([keeper.held(instance), keeper.list()], [undefined, []], `${turns}`);
        assert.deepEqual([keeper.live(NOW).length, store.list('issued/').length], [known, known], `${turns}`);
      }
      assert.ok(outcomes.has('instance_revoked'), [...outcomes].join());
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  });
});

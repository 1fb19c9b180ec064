import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import { workloadId } from '../../../src/spiffe/spiffeId.ts';
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
});

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { renewalTime } from '../../../src/ca/renewal.ts';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import { reveal } from '../../../src/lib/secret.ts';
import type { Store } from '../../../src/lib/store.ts';
import { workloadId } from '../../../src/spiffe/spiffeId.ts';
import { DAY, freshMesh, HOUR, NOW, TD, WEB } from './support.ts';

const A = 'prod/web/a';

const keeperOver = async (now = NOW, store?: Store) => {
  const mesh = await freshMesh(now, store);
  return { ...mesh, keeper: createSvidKeeper({ store: mesh.store, authority: mesh.mesh, now }) };
};

describe('renewalTime', () => {
  it('lies between 50 % and 60 % of the life since issue, the same for the same instance', () => {
    const arbitrary = [fc.string(), fc.integer({ min: 1, max: 1000 * 24 }), fc.integer({ min: 0, max: 4e12 })] as const;
    fc.assert(
      fc.property(...arbitrary, (seed, hours, issued) => {
        const svid = { notBefore: issued - 60_000, notAfter: issued + hours * HOUR };
        const share = (renewalTime(svid, seed) - issued) / (hours * HOUR);
        assert.ok(share >= 0.499_999 && share < 0.6, `${share}`);
        assert.equal(renewalTime(svid, seed), renewalTime(svid, seed));
      }),
    );
  });

  it('spreads a thousand instances over that tenth', () => {
    const svid = { notBefore: NOW - 60_000, notAfter: NOW + 100 * HOUR };
    const buckets = new Set<number>();
    for (let i = 0; i < 1000; i++) buckets.add(Math.floor((renewalTime(svid, `prod/web/${i}`) - NOW) / HOUR));
    assert.deepEqual([...buckets].sort(), [50, 51, 52, 53, 54, 55, 56, 57, 58, 59]);
  });

  it('is not over before it began when the life is shorter than the backdating', () => {
    const at = renewalTime({ notBefore: NOW - 60_000, notAfter: NOW + 10_000 }, A);
    assert.ok(at >= NOW + 5000 && at <= NOW + 6000);
  });
});

describe('the SVID keeper', () => {
  it('issues once and then keeps, over restarts too, until it is due', async () => {
    const { keeper, store } = await keeperOver();
    const first = await keeper.current(A, WEB, DAY, NOW);
    assert.equal(await keeper.current(A, WEB, DAY, NOW + 11 * HOUR), first);
    const revision = store.get(`svid/${A}`)?.revision;
    const again = (await keeperOver(NOW + HOUR, store)).keeper;
    const kept = await again.current(A, WEB, DAY, NOW + HOUR);
    assert.deepEqual({ ...kept, keyPem: reveal(kept.keyPem) }, { ...first, keyPem: reveal(first.keyPem) });
    assert.equal(store.get(`svid/${A}`)?.revision, revision);
    const due = renewalTime(first, A);
    assert.equal(await again.current(A, WEB, DAY, due - 1), kept);
    const renewed = await again.current(A, WEB, DAY, due);
    assert.notEqual(renewed.serial, first.serial);
    const key = (pem: string) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' });
    assert.notEqual(key(renewed.chainPem), key(first.chainPem));
  });

  it('gives one certificate to calls at the same time, and stores it before', async () => {
    const { keeper, store } = await keeperOver();
    const all = await Promise.all(Array.from({ length: 20 }, () => keeper.current(A, WEB, DAY, NOW)));
    assert.equal(new Set(all.map((svid) => svid.serial)).size, 1);
    assert.ok(Buffer.from(store.get(`svid/${A}`)?.value ?? []).includes('BEGIN CERTIFICATE'));
    const forced = await Promise.all([
      keeper.renew(A, WEB, DAY, NOW),
      keeper.renew(A, WEB, DAY, NOW),
      keeper.current(A, WEB, DAY, NOW),
    ]);
    assert.equal(new Set(forced.map((svid) => svid.serial)).size, 1);
    assert.notEqual(forced[0]?.serial, all[0]?.serial);
  });

  it('makes one certificate where one is due and asked for anew at the same time', async () => {
    const { keeper, store } = await keeperOver();
    const due = keeper.current(A, WEB, DAY, NOW);
    await Promise.resolve();
    const asked = await Promise.all([due, keeper.renew(A, WEB, DAY, NOW)]);
    assert.equal(asked[0]?.serial, asked[1]?.serial);
    assert.equal(store.list('issued/').length, 1);
  });

  it('gives every instance of an identity a key of its own', async () => {
    const { keeper } = await keeperOver();
    const all = await Promise.all(['a', 'b', 'c'].map((i) => keeper.current(`prod/web/${i}`, WEB, DAY, NOW)));
    assert.equal(new Set(all.map((svid) => reveal(svid.keyPem))).size, 3);
    assert.deepEqual(
      keeper
        .list()
        .map((h) => h.instance)
        .sort(),
      ['prod/web/a', 'prod/web/b', 'prod/web/c'],
    );
  });

  it('issues anew for another identity, a much shorter ttl, a clock before its begin, another root', async () => {
    const { keeper, store } = await keeperOver();
    const first = await keeper.current(A, WEB, DAY, NOW);
    assert.equal(await keeper.current(A, WEB, DAY / 2, NOW), first);
    const short = await keeper.current(A, WEB, DAY / 3, NOW);
    assert.ok(short.notAfter <= NOW + DAY / 3);
    const other = await keeper.current(A, workloadId(TD, 'prod', 'site'), DAY, NOW);
    assert.equal(other.id, workloadId(TD, 'prod', 'site'));
    assert.notEqual((await keeper.current(A, other.id, DAY, NOW - 10 * 60_000)).serial, other.serial);
    const stranger = await freshMesh();
    const value = store.get(`svid/${A}`)?.value;
    await stranger.store.commit([{ key: `svid/${A}`, value }]);
    const moved = createSvidKeeper({ store: stranger.store, authority: stranger.mesh, now: NOW });
    assert.deepEqual(moved.list(), []);
    assert.ok(stranger.mesh.vouchesFor(await moved.current(A, other.id, DAY, NOW), NOW));
  });

  it('keeps what an earlier intermediate of the same root signed', async () => {
    const { keeper, store, mesh } = await keeperOver();
    const now = NOW + 182 * DAY;
    const held = await keeper.current(A, WEB, 30 * DAY, now);
    const before = mesh.describe().intermediate.serial;
    const later = now + 2 * DAY;
    await keeper.current('prod/web/b', WEB, DAY, later);
    assert.notEqual(mesh.describe().intermediate.serial, before);
    const again = (await keeperOver(later, store)).keeper;
    assert.equal((await again.current(A, WEB, 30 * DAY, later)).serial, held.serial);
  });

  it('treats a record that cannot be trusted as none', async () => {
    const { keeper, store } = await keeperOver();
    await keeper.current(A, WEB, DAY, NOW);
    await keeper.current('prod/web/b', WEB, DAY, NOW);
    const [a = '', b = ''] = ['a', 'b'].map((i) =>
      Buffer.from(store.get(`svid/prod/web/${i}`)?.value ?? []).toString(),
    );
    const mixed = JSON.stringify({ ...JSON.parse(a), key: JSON.parse(b).key });
    const renamed = JSON.stringify({ ...JSON.parse(a), id: workloadId(TD, 'prod', 'admin') });
    for (const text of ['', '{}', a.slice(0, 300), mixed, renamed]) {
      await store.commit([{ key: `svid/${A}`, value: Buffer.from(text) }]);
      const again = createSvidKeeper({ store, authority: (await freshMesh(NOW, store)).mesh, now: NOW });
      assert.deepEqual(
        again.list().map((h) => h.instance),
        ['prod/web/b'],
      );
      assert.equal((await again.current(A, WEB, DAY, NOW)).id, WEB);
    }
  });

  it('knows whose each certificate is until it ends, after renewals and restarts too', async () => {
    const { keeper, store } = await keeperOver();
    const first = await keeper.current(A, WEB, HOUR, NOW);
    const second = await keeper.renew(A, WEB, DAY, NOW + HOUR / 2);
    const again = (await keeperOver(NOW + HOUR / 2, store)).keeper;
    for (const held of [keeper, again]) {
      for (const { serial, notAfter } of [first, second]) {
        assert.equal(held.holderOf(serial, notAfter - 1), A);
        assert.equal(held.holderOf(serial, notAfter), undefined);
      }
      assert.equal(held.holderOf('00', NOW), undefined);
    }
    const record = (): string => Buffer.from(store.get(`svid/${A}`)?.value ?? []).toString();
    assert.ok(record().includes(first.serial));
    await again.renew(A, WEB, DAY, NOW + 2 * HOUR);
    assert.ok(!record().includes(first.serial), 'what has ended is not stored on');
    assert.equal(again.holderOf(first.serial, NOW), undefined);
    assert.equal(again.holderOf(second.serial, NOW + 2 * HOUR), A);
    for (let i = 0; i < 40; i++) await again.renew(A, WEB, DAY, NOW + 2 * HOUR);
    assert.equal(again.holderOf(second.serial, NOW + 2 * HOUR), undefined, 'the list ends somewhere');
    assert.ok(record().length < 10_000);
    const last = await again.current(A, WEB, DAY, NOW + 2 * HOUR);
    await again.forget(A);
    assert.equal(again.holderOf(last.serial, NOW + 2 * HOUR), undefined);
  });

  it('holds nothing that could not be stored, and tries again', async () => {
    const mesh = await freshMesh();
    let full = true;
    const store: Store = {
      ...mesh.store,
      commit: (writes) => (full ? Promise.reject(new Error('disk full')) : mesh.store.commit(writes)),
    };
    const keeper = createSvidKeeper({ store, authority: mesh.mesh, now: NOW });
    await assert.rejects(keeper.current(A, WEB, DAY, NOW), /disk full/);
    assert.deepEqual(keeper.list(), []);
    full = false;
    assert.equal((await keeper.current(A, WEB, DAY, NOW)).id, WEB);
  });

  it('lists whose each certificate is, by which intermediate, and those from before that live on', async () => {
    const { keeper, store, mesh } = await keeperOver();
    const { root, intermediate } = mesh.describe();
    const issuers = { root: root.serial, intermediate: intermediate.serial };
    const first = await keeper.current(A, WEB, DAY, NOW);
    const second = await keeper.renew(A, WEB, DAY, NOW + HOUR);
    const { serial, notBefore, notAfter } = first;
    const expected = [
      {
        instance: A,
        serial: second.serial,
        issuer: intermediate.serial,
        earlier: [{ serial, notBefore, notAfter, issuers }],
      },
    ];
    const listed = (by: typeof keeper) =>
      by.list().map(({ instance, svid, issuer, earlier }) => ({ instance, serial: svid.serial, issuer, earlier }));
    assert.deepEqual(listed(keeper), expected);
    assert.deepEqual(listed((await keeperOver(NOW + HOUR, store)).keeper), expected);
    // As a Signet wrote it that kept serial and end alone.
    const record = JSON.parse(Buffer.from(store.get(`svid/${A}`)?.value ?? []).toString());
    const old = { ...record, earlier: [{ serial, notAfter }] };
    await store.commit([{ key: `svid/${A}`, value: Buffer.from(JSON.stringify(old)) }]);
    const again = (await keeperOver(NOW + HOUR, store)).keeper;
    assert.deepEqual(again.list()[0]?.earlier, [{ serial, notAfter }]);
    assert.equal(again.held(A)?.serial, second.serial);
  });

  it('forgets what it is told to, and what has expired', async () => {
    const { keeper, store } = await keeperOver();
    await keeper.current(A, WEB, DAY, NOW);
    await keeper.current('prod/web/b', WEB, HOUR, NOW);
    await store.commit([{ key: 'svid/prod/web/broken', value: Buffer.from('?') }]);
    assert.equal(await keeper.forgetExpired(NOW + 2 * HOUR), 2);
    assert.deepEqual(
      store.list('svid/').map((e) => e.key),
      [`svid/${A}`],
    );
    await keeper.forget(A);
    assert.deepEqual([store.list('svid/'), keeper.list()], [[], []]);
  });

  it('refuses instances that are no node id, and identities that are no workload', async () => {
    const { keeper, store } = await keeperOver();
    for (const instance of [
      '',
      'web',
      'prod/web',
      'prod/web/a/b',
      'prod/web/ä',
      'prod/web/a b',
      `prod/web/${'x'.repeat(600)}`,
    ]) {
      await assert.rejects(keeper.current(instance, WEB, DAY, NOW), { code: 'invalid_instance' });
      await assert.rejects(keeper.renew(instance, WEB, DAY, NOW), { code: 'invalid_instance' });
    }
    await assert.rejects(keeper.current(A, workloadId(TD, '..', 'x'), DAY, NOW), { code: 'identity_refused' });
    assert.deepEqual(store.list('svid/'), []);
  });

  it('shows no key', async () => {
    const { keeper } = await keeperOver();
    await keeper.current(A, WEB, DAY, NOW);
    assert.doesNotMatch(inspect([keeper, keeper.list()], { depth: 9, showHidden: true }), /PRIVATE KEY/);
    assert.throws(() => JSON.stringify(keeper.list()), /refuses/);
  });
});

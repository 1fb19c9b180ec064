import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, it } from 'mocha';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import type { Store, Write } from '../../../src/lib/store.ts';
import { openLmdbStore } from '../../../src/store/lmdbStore.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { DAY, freshMesh, NOW, opensslVerify, split, TD, trustDomain, WEB } from './support.ts';

const put = (key: string, value: string): Write => ({ key, value: Buffer.from(value) });
const textOf = (store: Store, key: string): string => Buffer.from(store.get(key)?.value ?? []).toString();
const dump = (store: Store): readonly string[] => store.list('').map(({ key }) => `${key} ${textOf(store, key)}`);

describe('the authority’s state', () => {
  it('is written in one commit, before anything is issued', async () => {
    const store = memoryStore();
    const commits: (readonly Write[])[] = [];
    await freshMesh(NOW, {
      ...store,
      commit: (writes) => {
        commits.push(writes);
        return store.commit(writes);
      },
    });
    assert.equal(commits.length, 1);
    assert.deepEqual(
      store.list('').map((e) => e.key),
      ['ca/channel', 'ca/journal/channel/0000000001', 'ca/journal/mesh/0000000001', 'ca/mesh'],
    );
    const failing: Store = { ...memoryStore(), commit: () => Promise.reject(new Error('disk full')) };
    await assert.rejects(freshMesh(NOW, failing), /disk full/);
  });

  it('is kept by every later start, on a real disk', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'signet-ca-'));
    const first = await freshMesh(NOW, openLmdbStore(dir));
    const before = [first.mesh.describe(), first.channel.describe(), first.mesh.trustBundle(), first.channel.anchor()];
    const { chainPem } = first.mesh.issue(WEB, DAY, NOW);
    await first.store.close();
    for (const file of readdirSync(dir)) assert.equal(statSync(join(dir, file)).mode & 0o777, 0o600);
    const second = await freshMesh(NOW + DAY, openLmdbStore(dir));
    assert.deepEqual(
      [second.mesh.describe(), second.channel.describe(), second.mesh.trustBundle(), second.channel.anchor()],
      before,
    );
    assert.equal(split(second.mesh.issue(WEB, DAY, NOW + DAY).chainPem)[1], split(chainPem)[1]);
    await second.store.close();
    rmSync(dir, { recursive: true });
  });

  it('of another trust domain is refused, and stays', async () => {
    const { store } = await freshMesh();
    const before = dump(store);
    await assert.rejects(openAuthority({ store, trustDomain: trustDomain('other.example'), now: NOW }), {
      name: 'AppError',
      code: 'ca_foreign',
      message: `the data directory belongs to trust domain ${TD}, and mesh.trustDomain is other.example: write ${TD} again, keep it in mesh.trustDomainAliases to rename the mesh, or use another --data`,
    });
    assert.deepEqual(dump(store), before);
  });

  it('that is gone while its leaves are there is no first start', async () => {
    const store = memoryStore();
    await store.commit([put('svid/prod/web/1', '{}')]);
    await assert.rejects(freshMesh(NOW, store), { code: 'ca_corrupt', message: /ca\/mesh.* it is missing/ });
    assert.equal(store.list('ca/').length, 0);
  });
});

describe('keys', () => {
  it('are in no print, JSON or error of anything that the authority gives', async () => {
    const { mesh, channel } = await freshMesh();
    const svid = mesh.issue(WEB, DAY, NOW);
    const credentials = channel.serverCredentials(NOW);
    const values: readonly unknown[] = [
      mesh,
      channel,
      mesh.describe(),
      mesh.trustBundle(),
      channel.describe(),
      svid,
      credentials,
    ];
    for (const value of values)
      assert.doesNotMatch(inspect(value, { depth: 9, showHidden: true }), /PRIVATE KEY|MIGHAgEA/);
    for (const value of [svid, credentials]) assert.throws(() => JSON.stringify(value), /refuses to be serialized/);
    assert.doesNotMatch(JSON.stringify([mesh.describe(), mesh.trustBundle(), channel.describe()]), /PRIVATE/);
    assert.doesNotMatch(`${svid.keyPem}`, /PRIVATE/);
  });
});

describe('passing time', () => {
  it('renews the intermediate so that leaves always live for their ttl, for ten years', async () => {
    const { mesh, store } = await freshMesh();
    const root = mesh.trustBundle().authorities.join('');
    const seen = new Set<string>();
    const end = mesh.describe().root.notAfter;
    for (let now = NOW; now < end - 2 * DAY; now += 20 * DAY) {
      await mesh.prepare(DAY, now);
      const svid = mesh.issue(WEB, DAY, now);
      assert.ok(svid.notAfter > now + DAY - 1000, new Date(now).toISOString());
      const { intermediate } = mesh.describe();
      if (!seen.has(intermediate.serial)) assert.equal(opensslVerify(svid.chainPem, root, 'sslserver', now), 'OK');
      seen.add(intermediate.serial);
      assert.ok(intermediate.notAfter <= end);
    }
    assert.ok(seen.size >= 18 && seen.size <= 24, `${seen.size} intermediates`);
    const again = await freshMesh(end - 3 * DAY, store);
    assert.deepEqual(again.mesh.describe(), mesh.describe());
  }).timeout(20_000);

  it('finds an intermediate that expired while Signet was away, and signs another', async () => {
    const { mesh, store } = await freshMesh();
    const later = NOW + 700 * DAY;
    assert.throws(() => mesh.issue(WEB, DAY, later), { code: 'issuer_expired' });
    const again = await freshMesh(later, store);
    await Promise.all([again.mesh.prepare(DAY, later), again.mesh.prepare(DAY, later)]);
    const svid = again.mesh.issue(WEB, DAY, later);
    assert.equal(opensslVerify(svid.chainPem, mesh.trustBundle().authorities.join(''), 'sslclient', later), 'OK');
    assert.deepEqual((await freshMesh(later, store)).mesh.describe(), again.mesh.describe());
  });

  it('replaces an intermediate that was made while the clock was ahead', async () => {
    const { mesh, store } = await freshMesh();
    await mesh.prepare(DAY, NOW + 200 * DAY);
    assert.throws(() => mesh.issue(WEB, DAY, NOW + DAY), { code: 'clock' });
    await mesh.prepare(DAY, NOW + DAY);
    const svid = mesh.issue(WEB, DAY, NOW + DAY);
    assert.equal(opensslVerify(svid.chainPem, mesh.trustBundle().authorities.join(''), 'sslserver', NOW + DAY), 'OK');
    const { serial } = mesh.describe().intermediate;
    await mesh.prepare(DAY, NOW + 2 * DAY);
    assert.equal((await freshMesh(NOW + 2 * DAY, store)).mesh.describe().intermediate.serial, serial);
  });

  it('uses no intermediate that could not be stored', async () => {
    const { store } = await freshMesh();
    const later = NOW + 200 * DAY;
    const failing = await freshMesh(later, { ...store, commit: () => Promise.reject(new Error('disk full')) });
    const before = failing.mesh.describe();
    await assert.rejects(failing.mesh.prepare(DAY, later), /disk full/);
    assert.deepEqual(failing.mesh.describe(), before);
    assert.equal(
      new X509Certificate(split(failing.mesh.issue(WEB, DAY, later).chainPem)[1] ?? '').serialNumber.toLowerCase(),
      before.intermediate.serial,
    );
  });

  it('ends with the root, in a sentence', async () => {
    const { mesh } = await freshMesh();
    const end = mesh.describe().root.notAfter;
    await mesh.prepare(DAY, end);
    assert.throws(() => mesh.issue(WEB, DAY, end), { code: 'issuer_expired' });
  });
});

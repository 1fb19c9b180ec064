import assert from 'node:assert/strict';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import type { Store } from '../../../src/lib/store.ts';
import { type OwnDomains, workloadId } from '../../../src/spiffe/spiffeId.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { DAY, HOUR, NOW, openssl, opensslVerify, split, trustDomain } from './support.ts';

const OLD = trustDomain('old.example');
const NEW = trustDomain('new.example');
const WEB = { old: workloadId(OLD, 'prod', 'web'), new: workloadId(NEW, 'prod', 'web') };

/** An authority whose mesh is called as `names` says at each moment. */
const opened = async (store: Store, ...first: OwnDomains) => {
  let names = first;
  const made = await openAuthority({ store, trustDomain: first[0], names: () => names, now: NOW });
  const call = (...next: OwnDomains): void => {
    names = next;
  };
  return { ...made, call };
};
const uriOf = (pem: string): string =>
  /URI:(\S+)/.exec(openssl(['x509', '-noout', '-ext', 'subjectAltName'], pem))?.[1] ?? '';

describe('an authority under another name', () => {
  it('keeps its roots, and leaves carry an intermediate of the new name', async () => {
    const { mesh, call } = await opened(memoryStore(), OLD);
    const before = mesh.trustBundle();
    call(NEW, OLD);
    await mesh.prepare(DAY, NOW + HOUR);
    const { chainPem } = mesh.issue(WEB.new, DAY, NOW + HOUR);
    assert.deepEqual(split(chainPem).map(uriOf), [WEB.new, 'spiffe://new.example']);
    assert.deepEqual(mesh.trustBundle(), { trustDomain: NEW, authorities: before.authorities });
    assert.equal(opensslVerify(chainPem, before.authorities.join(''), 'sslclient', NOW + HOUR), 'OK');
    assert.equal(mesh.describe().trustDomain, NEW);
    const { generation } = mesh.describe();
    await mesh.prepare(DAY, NOW + HOUR);
    assert.equal(mesh.describe().generation, generation, 'and makes one only');
  });

  it('issues nothing of a name before it has taken that on, nor of the old one after it', async () => {
    const { mesh, call } = await opened(memoryStore(), OLD);
    assert.throws(() => mesh.issue(WEB.new, DAY, NOW), { code: 'identity_refused' });
    call(NEW, OLD);
    await mesh.prepare(DAY, NOW);
    assert.throws(() => mesh.issue(WEB.old, DAY, NOW), { code: 'identity_refused' });
  });

  it('opens again under it, when the alias is gone too, and vouches for what it issued before', async () => {
    const store = memoryStore();
    const first = await opened(store, OLD);
    const svid = first.mesh.issue(WEB.old, DAY, NOW);
    const keeper = createSvidKeeper({ store, authority: first.mesh, now: NOW });
    const held = await keeper.current('prod/web/1', WEB.old, DAY, NOW);
    first.call(NEW, OLD);
    await first.mesh.prepare(DAY, NOW);
    const again = await opened(store, NEW);
    assert.ok(again.mesh.vouchesFor(svid, NOW));
    assert.equal(again.mesh.issue(WEB.new, DAY, NOW).id, WEB.new);
    const kept = createSvidKeeper({ store, authority: again.mesh, now: NOW });
    assert.equal(kept.holderOf(held.serial, NOW), 'prod/web/1');
    assert.equal((await kept.current('prod/web/1', WEB.new, DAY, NOW)).id, WEB.new);
    assert.equal(kept.holderOf(held.serial, NOW), 'prod/web/1', 'the old one still is its credential');
  });

  it('opens under an alias that was renamed while Signet was stopped, and not without', async () => {
    const store = memoryStore();
    await opened(store, OLD);
    await assert.rejects(opened(store, NEW), { code: 'ca_foreign' });
    const { mesh } = await opened(store, NEW, OLD);
    await mesh.prepare(DAY, NOW);
    assert.equal((await opened(store, NEW)).mesh.describe().trustDomain, NEW);
  });

  it('can be renamed back, and a generation of the other name is restored', async () => {
    const store = memoryStore();
    const { mesh, call } = await opened(store, OLD);
    call(NEW, OLD);
    await mesh.prepare(DAY, NOW);
    call(NEW);
    await mesh.rotation.restorePrevious(NOW);
    await mesh.prepare(DAY, NOW);
    assert.equal(mesh.issue(WEB.new, DAY, NOW).id, WEB.new);
    call(OLD, NEW);
    await mesh.prepare(DAY, NOW);
    assert.equal(mesh.issue(WEB.old, DAY, NOW).id, WEB.old);
    assert.equal((await opened(store, OLD)).mesh.describe().trustDomain, OLD);
  });

  it('waits with a new intermediate while one is being rotated, but takes the name', async () => {
    const { mesh, call } = await opened(memoryStore(), OLD);
    await mesh.rotation.start('intermediate', 'a test', NOW);
    const { serial } = mesh.describe().intermediate;
    call(NEW, OLD);
    await mesh.prepare(DAY, NOW);
    assert.equal(mesh.describe().intermediate.serial, serial);
    assert.equal(mesh.issue(WEB.new, DAY, NOW).id, WEB.new);
  });

  it('gives new roots the new name', async () => {
    const { mesh, call } = await opened(memoryStore(), OLD);
    call(NEW, OLD);
    await mesh.prepare(DAY, NOW);
    await mesh.rotation.start('root', 'a test', NOW);
    assert.deepEqual(mesh.trustBundle().authorities.map(uriOf), ['spiffe://old.example', 'spiffe://new.example']);
  });

  it('keeps the name of the channel until its anchor is another, so that bootstraps stay good', async () => {
    const store = memoryStore();
    const { mesh, channel, call } = await opened(store, OLD);
    call(NEW, OLD);
    await mesh.prepare(DAY, NOW);
    const again = await opened(store, NEW);
    const names = (): readonly string[] => [
      ...again.channel.serverIds(),
      uriOf(again.channel.serverCredentials(NOW).chainPem),
    ];
    const [old, next] = [OLD, NEW].map((name) => `spiffe://${name}/signet/control-plane`);
    assert.deepEqual(channel.serverIds(), [old]);
    assert.deepEqual(names(), [old, old]);
    await again.channel.rotation.prepare(NOW);
    assert.deepEqual(names(), [old, next, old], 'new bootstraps take both');
    await again.channel.rotation.activate(NOW);
    await again.channel.rotation.retire(NOW);
    assert.deepEqual(names(), [next, next]);
    assert.deepEqual((await opened(store, NEW)).channel.serverIds(), [next]);
  });
});

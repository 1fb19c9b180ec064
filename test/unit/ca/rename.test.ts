import assert from 'node:assert/strict';
import { extensionDer, SEQUENCE, tlv } from '../../../src/ca/der.ts';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import type { Store } from '../../../src/lib/store.ts';
import { OID } from '../../../src/spiffe/oid.ts';
import { type OwnDomains, workloadId } from '../../../src/spiffe/spiffeId.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { certify, type Shape, signIntermediate } from '../../support/enterprise.ts';
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
  const constrained = (...hosts: readonly string[]): Buffer => {
    const uris = hosts.map((host) => tlv(SEQUENCE, tlv(0x86, Buffer.from(host))));
    return extensionDer(OID.nameConstraints, true, tlv(SEQUENCE, tlv(0xa0, Buffer.concat(uris))));
  };
  /** A mesh of the old name below a root of an enterprise. */
  const imported = async (root: Shape, intermediate: Shape) => {
    const corp = certify({ name: 'Corp', ...root });
    const made = await opened(memoryStore(), OLD);
    const now = Date.now();
    const take = async () => {
      const { csr } = await made.mesh.imports.request(false, now);
      await made.mesh.imports.take(signIntermediate(csr, corp, intermediate).pem + corp.pem, now);
      await made.mesh.rotation.start('root', 'a test', now);
      for (let at = made.mesh.rotation.plan(); at !== undefined; at = made.mesh.rotation.plan())
        await made.mesh.rotation.advance(at, now);
    };
    await take();
    return { ...made, now, take };
  };

  it('issues nothing that its CAs may not sign, and says so before it is renamed', async () => {
    for (const which of [0, 1]) {
      const more = { more: [constrained('old.example')] };
      const { mesh, call, now } = await imported(which === 0 ? more : {}, which === 1 ? more : {});
      assert.equal(mesh.renameFault(OLD), undefined);
      assert.match(mesh.renameFault(NEW) ?? '', /^the mesh (root|intermediate) \w+ permits URIs of "old.example" only/);
      mesh.issue(WEB.old, DAY, now);
      call(NEW, OLD);
      await mesh.prepare(DAY, now);
      assert.throws(() => mesh.issue(WEB.new, DAY, now), {
        code: 'profile_violation',
        message: /^no certificate is issued for spiffe:\/\/new.example\S+: the mesh .* permits URIs/,
      });
    }
    const both = await imported({}, { more: [constrained('old.example', 'new.example')] });
    both.call(NEW, OLD);
    await both.mesh.prepare(DAY, both.now);
    assert.equal(both.mesh.issue(WEB.new, DAY, both.now).id, WEB.new);
  });

  it('takes the next intermediate below a root that has the name from before', async () => {
    const { mesh, call, now, take } = await imported({ uris: ['spiffe://old.example'] }, {});
    call(NEW, OLD);
    await mesh.prepare(DAY, now);
    await take();
    assert.equal(mesh.issue(WEB.new, DAY, now).id, WEB.new);
  });

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

import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'mocha';
import { extensionDer, SEQUENCE, tlv } from '../../../src/ca/der.ts';
import type { SignerChoice } from '../../../src/ca/external/remoteSigner.ts';
import { signerQueue } from '../../../src/ca/external/signerQueue.ts';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { createSvidKeeper } from '../../../src/ca/svidStore.ts';
import { Renewals } from '../../../src/control/certificates/renewals.ts';
import type { Store } from '../../../src/lib/store.ts';
import { OID } from '../../../src/spiffe/oid.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { certify, KEYS, type Shape } from '../../support/enterprise.ts';
import { type EnterpriseSigner, enterpriseSigner } from '../../support/enterpriseSigner.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fakeClock.ts';
import { DAY, HOUR, opensslVerify, split, TD, WEB } from './support.ts';

const corp = certify({ name: 'Corp Root' });
const next = certify({ name: 'Next Root', key: KEYS.rsa(2048) });

/** A mesh whose signer can be changed; time is `time.now`, from now on. */
const signedMesh = async (sign: SignerChoice['sign'], signer: EnterpriseSigner, store: Store = memoryStore()) => {
  const time = { now: Date.now() };
  const queue = signerQueue(signer, { now: () => time.now, wait: async () => {} }, () => {});
  const choice: { now: SignerChoice | undefined } = { now: { sign, queue } };
  const open = () => openAuthority({ store, trustDomain: TD, now: time.now, signer: () => choice.now, trial: WEB });
  return { ...(await open()), open, queue, choice, time, store };
};
const finish = async ({ mesh, time }: Awaited<ReturnType<typeof signedMesh>>): Promise<void> => {
  for (let step = mesh.rotation.plan(); step !== undefined; step = mesh.rotation.plan())
    await mesh.rotation.advance(step, time.now);
};
const [roots, intermediates] = (['root', 'intermediate'] as const).map(
  (kind) => (made: Awaited<ReturnType<typeof signedMesh>>) =>
    made.mesh.describe().slots.flatMap((slot) => (slot.kind === kind ? [slot.state] : [])),
) as [
  (made: Awaited<ReturnType<typeof signedMesh>>) => string[],
  (made: Awaited<ReturnType<typeof signedMesh>>) => string[],
];
const bundleOf = ({ mesh }: Awaited<ReturnType<typeof signedMesh>>): string => mesh.trustBundle().authorities.join('');
const keysIn = (store: Store): number =>
  store.list('ca/mesh').reduce(
    (sum, { value }) =>
      sum +
      (Buffer.from(value)
        .toString()
        .match(/BEGIN PRIVATE KEY/g)?.length ?? 0),
    0,
  );

describe('a signer of intermediates', () => {
  it('signs the first one, so that no root is made here, and a later start reads it', async () => {
    const made = await signedMesh('intermediate', enterpriseSigner(corp));
    assert.equal(made.mesh.trustBundle().authorities[0], corp.pem);
    const leaf = await made.mesh.obtain(WEB, HOUR, made.time.now);
    for (const purpose of ['sslserver', 'sslclient'])
      assert.equal(opensslVerify(leaf.chainPem, corp.pem, purpose, made.time.now), 'OK');
    const again = await made.open();
    assert.deepEqual(again.mesh.describe().slots, made.mesh.describe().slots);
    assert.ok(again.mesh.vouchesFor(leaf, made.time.now));
  });

  it('whose root is old already: no schedule asks for a root that cannot be made here', async () => {
    const year = 365 * DAY;
    const old = certify({ name: 'Old', notBefore: Date.now() - 9 * year, notAfter: Date.now() + 10 * year });
    const made = await signedMesh('intermediate', enterpriseSigner(old));
    assert.ok(made.mesh.rootDue() < made.time.now && !made.mesh.rootIsOwn());
    await assert.rejects(made.mesh.rotation.start('root', 'by hand', made.time.now), { code: 'rotation_refused' });
  });

  it('is asked for the next one from half of its life on, and leaves of the one before stay good', async () => {
    const signer = enterpriseSigner(corp);
    signer.wrong({ notAfter: Date.now() + 4 * HOUR });
    const made = await signedMesh('intermediate', signer);
    const leaf = await made.mesh.obtain(WEB, HOUR, made.time.now);
    await made.mesh.tend(made.time.now + HOUR);
    assert.equal(signer.asked.length, 1);
    const later = made.time.now + 2 * HOUR;
    signer.wrong({ notAfter: later + 4 * HOUR });
    await made.mesh.tend(later);
    assert.equal(signer.asked.length, 2);
    assert.deepEqual(intermediates(made), ['old', 'active']);
    assert.ok(made.mesh.vouchesFor(leaf, later));
  });

  it('is asked for another one where the present one was made while the clock was ahead', async () => {
    const signer = enterpriseSigner(corp);
    signer.wrong({ notAfter: Date.now() + 4 * HOUR });
    const made = await signedMesh('intermediate', signer);
    const right = made.time.now;
    signer.wrong({ notBefore: right + 9 * HOUR, notAfter: right + 14 * HOUR });
    made.time.now = right + 10 * HOUR;
    await made.mesh.tend(made.time.now);
    assert.deepEqual(intermediates(made), ['old', 'active']);
    made.time.now = right;
    signer.wrong({ notBefore: right - HOUR / 2, notAfter: right + 4 * HOUR });
    const leaf = await made.mesh.obtain(WEB, HOUR, right);
    assert.ok(made.mesh.vouchesFor(leaf, right));
  });

  it('that is away holds up nobody while the present one is good, and says for how long it is', async () => {
    const signer = enterpriseSigner(corp);
    signer.wrong({ notAfter: Date.now() + 4 * HOUR });
    const made = await signedMesh('intermediate', signer);
    signer.answer(() => assert.fail('the HSM is on fire'));
    made.time.now += 3 * HOUR;
    const { notAfter } = await made.mesh.obtain(WEB, 10 * HOUR, made.time.now);
    assert.equal(notAfter, made.mesh.describe().intermediate.notAfter);
    await new Promise((done) => setImmediate(done));
    const { away, name } = made.mesh.describe().signer ?? assert.fail();
    assert.deepEqual([away?.why, away?.since, name], ['the HSM is on fire', made.time.now, 'the signer (test)']);
    made.time.now += 2 * HOUR;
    await assert.rejects(made.mesh.obtain(WEB, HOUR, made.time.now), { message: /the HSM is on fire/ });
    made.time.now += 60_000;
    signer.answer(undefined);
    signer.wrong({});
    await made.mesh.tend(made.time.now);
    assert.equal(made.mesh.describe().signer?.away, undefined);
  });

  it('with another root begins its rotation: the new root is trusted first and signs later', async () => {
    const signer = enterpriseSigner(corp);
    const made = await signedMesh('intermediate', signer);
    signer.use(next);
    made.time.now += 183 * DAY;
    await made.mesh.tend(made.time.now);
    assert.deepEqual(
      [roots(made), intermediates(made)],
      [
        ['active', 'prepared'],
        ['active', 'prepared'],
      ],
    );
    assert.equal(made.mesh.rotation.plan()?.step, 'distribute');
    assert.equal(
      opensslVerify((await made.mesh.obtain(WEB, HOUR, made.time.now)).chainPem, corp.pem, 'sslclient', made.time.now),
      'OK',
    );
    await finish(made);
    assert.deepEqual(made.mesh.trustBundle().authorities, [next.pem]);
    assert.equal(
      opensslVerify((await made.mesh.obtain(WEB, HOUR, made.time.now)).chainPem, next.pem, 'sslclient', made.time.now),
      'OK',
    );
  });

  it('takes over from a root of Signet’s own on save, and nobody makes requests beside it', async () => {
    const made = await signedMesh('intermediate', enterpriseSigner(corp));
    let signs: SignerChoice | undefined;
    const alone = await openAuthority({ store: memoryStore(), trustDomain: TD, now: Date.now(), signer: () => signs });
    await alone.mesh.tend(Date.now());
    assert.equal(alone.mesh.rotation.plan(), undefined);
    signs = made.choice.now;
    await alone.mesh.tend(Date.now());
    assert.equal(alone.mesh.trustBundle().authorities[1], corp.pem);
    assert.equal(alone.mesh.rotation.plan()?.step, 'distribute');
    await assert.rejects(alone.mesh.imports.request(false, Date.now()), { code: 'signer_signs' });
  });

  it('that answers rubbish at the first start leaves nothing behind, and can be asked again', async () => {
    const signer = enterpriseSigner(corp);
    const store = memoryStore();
    const time = { now: Date.now() };
    const queue = signerQueue(signer, { now: () => time.now, wait: async () => {} }, () => {});
    const start = () =>
      openAuthority({ store, trustDomain: TD, now: time.now, signer: () => ({ sign: 'intermediate', queue }) });
    signer.answer(() => corp.pem);
    await assert.rejects(start(), /^AppError: the signer \(test\): the chain is refused: certificate 1 .* another key/);
    await assert.rejects(start(), { code: 'signer_away' });
    assert.deepEqual(store.list(''), []);
    signer.answer(undefined);
    time.now += 60_000;
    assert.deepEqual((await start()).mesh.trustBundle().authorities, [corp.pem]);
  });
});

describe('the clock, at a signer that takes its time', () => {
  // A signer writes its own notBefore, often this very second: what it signs while it is waited for is good.
  for (const sign of ['intermediate', 'leaves'] as const)
    it(`is read when the answer is there (${sign})`, async () => {
      const signer = enterpriseSigner(corp);
      signer.wrong({ notBefore: Date.now() + 5_000 });
      const store = memoryStore();
      const time = { now: Date.now() };
      const slow: typeof signer = {
        ...signer,
        sign: async (ask) => {
          const answer = await signer.sign(ask);
          time.now += 10_000;
          return answer;
        },
      };
      const queue = signerQueue(slow, { now: () => time.now, wait: async () => {} }, () => {});
      const choice = (): SignerChoice => ({ sign, queue });
      await openAuthority({ store, trustDomain: TD, now: time.now, signer: choice, trial: WEB });
      assert.equal(queue.status().away, undefined);
    });
});

describe('a signer of leaves', () => {
  const issuing = certify({ name: 'Issuing', pathLength: 0 }, corp);

  it('signs every leaf, by an intermediate of its own or its root, and no CA key is in Signet', async () => {
    for (const above of [[corp], []]) {
      const signer = enterpriseSigner(corp);
      if (above.length > 0) signer.use(issuing, above);
      const made = await signedMesh('leaves', signer);
      assert.equal(keysIn(made.store), 0);
      const leaf = await made.mesh.obtain(WEB, HOUR, made.time.now);
      assert.equal(split(leaf.chainPem).length, above.length + 1);
      for (const purpose of ['sslserver', 'sslclient'])
        assert.equal(opensslVerify(leaf.chainPem, corp.pem, purpose, made.time.now), 'OK');
      assert.equal(keysIn(made.store), 0);
      const again = await made.open();
      assert.ok(again.mesh.vouchesFor(leaf, made.time.now));
      assert.throws(() => again.mesh.issue(WEB, HOUR, made.time.now), { code: 'ca_key_elsewhere' });
    }
  });

  it('that was away is asked again though no leaf is due, and what it signs then is thrown away', async () => {
    const signer = enterpriseSigner(corp);
    const made = await signedMesh('leaves', signer);
    signer.answer(() => assert.fail('the HSM is on fire'));
    await assert.rejects(made.mesh.obtain(WEB, HOUR, made.time.now), { code: 'signer_failed' });
    made.time.now += 1_000;
    await assert.rejects(made.mesh.tend(made.time.now), { code: 'signer_failed' });
    await assert.rejects(made.mesh.tend(made.time.now), { code: 'signer_away' });
    signer.answer(undefined);
    made.time.now += 2_000;
    await made.mesh.tend(made.time.now);
    assert.equal(made.mesh.describe().signer?.away, undefined);
    const asked = signer.asked.length;
    await made.mesh.tend(made.time.now);
    assert.equal(signer.asked.length, asked);
  });

  it('that gives one serial twice gets one certificate out of it: the other is not used', async () => {
    const signer = enterpriseSigner(corp);
    const made = await signedMesh('leaves', signer);
    signer.wrong({ serial: Buffer.from([1, 2, 3]) });
    const keeper = createSvidKeeper({ store: made.store, authority: made.mesh, now: made.time.now });
    const asked = ['prod/web/1', 'prod/web/2'].map((node) => keeper.current(node, WEB, HOUR, made.time.now));
    const [first, second] = await Promise.allSettled(asked);
    assert.equal(first?.status, 'fulfilled');
    assert.match(String((second as PromiseRejectedResult).reason), /serial 010203, which another one has/);
    for (const ask of [
      keeper.renew('prod/web/1', WEB, HOUR, made.time.now),
      keeper.current('prod/web/3', WEB, HOUR, made.time.now),
    ])
      await assert.rejects(ask, { code: 'serial_taken' });
    assert.deepEqual(
      keeper.live(made.time.now).map(({ instance }) => instance),
      ['prod/web/1'],
    );
    assert.equal(keeper.holderOf('010203', made.time.now), 'prod/web/1');
  });

  it('may take turns with its issuers: each is learned once', async () => {
    const signer = enterpriseSigner(corp);
    const made = await signedMesh('leaves', signer);
    for (const issuer of [issuing, corp, certify({ name: 'B', pathLength: 0 }, corp), issuing, corp]) {
      signer.use(issuer, issuer === corp ? [] : [corp]);
      await Promise.all([1, 2, 3].map(() => made.mesh.obtain(WEB, HOUR, made.time.now)));
    }
    assert.equal(intermediates(made).length, 3);
    await made.open();
  });

  it('with another root: nobody is given a leaf of it before it is distributed', async () => {
    const signer = enterpriseSigner(corp);
    const made = await signedMesh('leaves', signer);
    const keeper = createSvidKeeper({ store: made.store, authority: made.mesh, now: made.time.now });
    const held = await keeper.current('prod/web/1', WEB, HOUR, made.time.now);
    signer.use(next);
    const later = made.time.now + 50 * 60_000;
    await assert.rejects(keeper.current('prod/web/1', WEB, HOUR, later), { code: 'root_not_distributed' });
    assert.equal(keeper.held('prod/web/1')?.serial, held.serial);
    await assert.rejects(made.mesh.obtain(WEB, HOUR, made.time.now), {
      code: 'root_not_distributed',
      message: /not every sidecar trusts/,
    });
    assert.match(bundleOf(made), new RegExp(next.pem.slice(60, 100).replaceAll(/[+/]/g, '.')));
    await finish(made);
    const fresh = await keeper.renew('prod/web/1', WEB, HOUR, made.time.now);
    assert.equal(opensslVerify(fresh.chainPem, next.pem, 'sslclient', made.time.now), 'OK');
  });

  it('that is slow holds back nobody who has a good certificate, and its answer is used when it comes', async () => {
    const made = await signedMesh('leaves', enterpriseSigner(corp));
    let answer = (): void => {};
    const slowly = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const authority = { ...made.mesh };
    const svids = createSvidKeeper({ store: made.store, authority, now: made.time.now });
    const clock = new FakeClock(made.time.now);
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const renewals = new Renewals({ clock, svids, behind: () => 0, log, observer: { renewalFailed: assert.fail } });
    const held = await renewals.current('prod/web/1', WEB, HOUR);
    authority.obtain = async (...asked) => {
      await slowly;
      return made.mesh.obtain(...asked);
    };
    clock.jump(50 * 60_000);
    assert.equal((await renewals.current('prod/web/1', WEB, HOUR)).serial, held.serial);
    answer();
    await eventually(async () => assert.notEqual(svids.held('prod/web/1')?.serial, held.serial));
  });

  it('takes over from a root of Signet’s own, which signs until the other root is distributed and then is gone', async () => {
    const made = await signedMesh('leaves', enterpriseSigner(corp));
    let signs: SignerChoice | undefined;
    const store = memoryStore();
    const { mesh } = await openAuthority({ store, trustDomain: TD, now: Date.now(), signer: () => signs });
    signs = made.choice.now;
    const own = mesh.describe().root.serial;
    await mesh.obtain(WEB, HOUR, Date.now());
    assert.deepEqual([mesh.describe().root.serial, mesh.rotation.plan()?.step], [own, 'distribute']);
    const alone = { ...made, mesh };
    await finish(alone);
    const leaf = await mesh.obtain(WEB, HOUR, Date.now());
    assert.equal(opensslVerify(leaf.chainPem, corp.pem, 'sslserver', Date.now()), 'OK');
    await mesh.obtain(WEB, HOUR, Date.now());
    assert.equal(
      Buffer.from(store.get('ca/mesh')?.value ?? [])
        .toString()
        .includes('PRIVATE KEY'),
      false,
    );
  });

  const now = Date.now();
  const other = 'spiffe://shop.example/ns/prod/sa/orders';
  const WRONG: readonly (readonly [string, Shape, RegExp])[] = [
    ['another identity', { uris: [other] }, /is to hold the one URI .*sa\/web, and its URIs are \["spiffe:.*orders"\]/],
    ['two identities', { uris: [WEB, other] }, /is to hold the one URI/],
    ['an empty subject', { subject: tlv(SEQUENCE) }, /empty subject and a subjectAltName that is not critical/],
    ['no name', { uris: [] }, /has no subjectAltName/],
    ['a DNS name beside', { names: [tlv(0x82, Buffer.from('web.prod'))] }, /other names beside its URI/],
    ['a CA certificate', { ca: true, keyUsage: 0x86 }, /is a CA certificate/],
    ['keyCertSign', { keyUsage: 0x84 }, /may sign certificates/],
    ['no digitalSignature', { keyUsage: 0x20 }, /without the keyUsage digitalSignature/],
    ['servers only', { purposes: [OID.serverAuth] }, /not for servers and clients/],
    ['any purpose', { purposes: [OID.serverAuth, OID.clientAuth, OID.anyPurpose] }, /more purposes/],
    ['too long a life', { notAfter: now + 30 * DAY }, /lives for 29d23h.*ttl is 1h/],
    ['an expired one', { notBefore: now - DAY, notAfter: now - HOUR }, /expired at/],
    ['one that begins tomorrow', { notBefore: now + DAY, notAfter: now + DAY + HOUR }, /not valid before/],
    ['one that ends at once', { notAfter: now + 4_000 }, /before it can be used|expired/],
    ['another key', { spki: corp.spki }, /another key than that of the request/],
    ['SHA-1', { digest: 'sha1' }, /signed with SHA-1/],
    [
      'an unknown critical extension',
      { more: [extensionDer('1.2.3.4', true, tlv(SEQUENCE))] },
      /critical extension 1\.2\.3\.4/,
    ],
    ['another authority key', { authorityKey: Buffer.alloc(20, 7) }, /signed by another key|names another issuer/],
  ];
  for (const [name, shape, complaint] of WRONG) {
    it(`that signs ${name} is refused by name, and nothing is handed out`, async () => {
      const signer = enterpriseSigner(corp);
      const made = await signedMesh('leaves', signer);
      signer.wrong(shape);
      await assert.rejects(made.mesh.obtain(WEB, HOUR, made.time.now), { code: 'signer_failed', message: complaint });
      assert.equal(made.mesh.describe().signer?.failed, 1);
    });
  }

  it('may add what enterprises add: a subject, more usages, extensions that are not critical', async () => {
    const signer = enterpriseSigner(corp);
    const made = await signedMesh('leaves', signer);
    const points = extensionDer('2.5.29.31', false, tlv(SEQUENCE));
    signer.wrong({ name: 'x', subject: certify({ name: 'web' }).subject, keyUsage: 0xa0, more: [points] });
    const leaf = await made.mesh.obtain(WEB, HOUR, made.time.now);
    assert.match(new X509Certificate(leaf.chainPem).subject, /CN=web/);
  });
});

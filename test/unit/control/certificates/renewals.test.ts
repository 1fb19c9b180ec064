import assert from 'node:assert/strict';
import { Renewals } from '../../../../src/control/certificates/renewals.ts';
import { checkHealth } from '../../../../src/control/health/checks.ts';
import { AppError } from '../../../../src/lib/errors.ts';
import { TYPE } from '../../../../src/xds/resource.ts';
import type { StreamId } from '../../../../src/xds/server.ts';
import { memoryStore } from '../../../fakes/memoryStore.ts';
import { TestControl } from '../../../support/controlPlane.ts';
import { FakeClock } from '../../../support/fakeClock.ts';
import { NO_ROTATION } from '../../../support/idleRotation.ts';

const HOUR = 3_600_000;
const WEB = 'spiffe://shop.example/ns/default/sa/web';

describe('the renewal of an instance that is revoked in that moment', () => {
  it('gives nothing, although its old certificate is still there to be seen, and is no trouble of the CA', async () => {
    const clock = new FakeClock();
    const now = clock.now();
    const old = { id: WEB, serial: '1', notBefore: now - 20 * HOUR, notAfter: now + 4 * HOUR } as never;
    const revoked = () => Promise.reject(new AppError('instance_revoked', 'it was revoked'));
    const renewals = new Renewals({
      clock,
      svids: { held: () => old, current: revoked, renew: revoked },
      behind: () => 0,
      log: { info: assert.fail, warn: assert.fail, error: assert.fail },
      observer: { renewalFailed: assert.fail },
    });
    await assert.rejects(renewals.current('default/web/a', WEB as never, 24 * HOUR), { code: 'instance_revoked' });
    assert.deepEqual(renewals.failing(), []);
  });
});

const MESH = `mesh: { trustDomain: shop.example }
services:
  web: {}
  orders: { ports: [8080:3001/http], allow: [web] }
`;

describe('renewals that do not go well', () => {
  let test: TestControl;
  beforeEach(async () => {
    test = await TestControl.start(MESH);
  });
  afterEach(() => test.close());

  const join = async (node = 'default/web/a'): Promise<StreamId> => {
    const service = node.split('/').slice(0, 2).join('/') as `${string}/${string}`;
    const stream = await test.connect(await test.token(service), node);
    assert.ok(typeof stream === 'string');
    return stream;
  };
  const serial = (node = 'default/web/a'): string => test.svids.held(node)?.serial ?? '';
  const lines = async (code: string): Promise<string> => {
    const { findings } = checkHealth({ ...(await test.control.health()), version: '1', ...NO_ROTATION });
    return findings.flatMap((found) => (found.code === code ? [`${found.level} ${found.message}`] : [])).join('\n');
  };
  const said = (words: RegExp): number => test.log.filter((sentence) => words.test(sentence)).length;
  const version = (stream: StreamId): string => {
    const { snapshot } = test.published.filter((one) => one.stream === stream).at(-1) ?? assert.fail();
    return snapshot.get(TYPE.sds)?.get(WEB)?.version ?? assert.fail();
  };
  const take = (stream: StreamId): void => {
    const taken = new Map([[WEB, version(stream)]]);
    test.event({
      kind: 'acked',
      stream,
      at: test.clock.now(),
      type: TYPE.sds,
      version: 'v',
      taken,
      stillRefused: false,
    });
  };
  const refuse = (stream: StreamId, error = 'bad key'): void => {
    const resources = [{ name: WEB, version: version(stream) }];
    test.event({
      kind: 'nacked',
      stream,
      at: test.clock.now(),
      type: TYPE.sds,
      version: 'v',
      resources,
      removed: [],
      error,
    });
  };
  const used = () => test.control.certificates.inUse().map(({ serial, state }) => `${serial} ${state}`);

  it('are tried again ever more rarely, told once, counted, named by check, and come to a good end', async () => {
    for (const name of ['a', 'b', 'c']) await join(`default/web/${name}`);
    test.svids.failing = true;
    await test.clock.skip(15 * HOUR);
    const tries = test.renewalsFailed.length;
    assert.ok(tries > 15 && tries < 150, `${tries} tries for three sidecars in some hours`);
    assert.equal(said(/certificates are not renewed/), 1);
    assert.match(
      await lines('CHK0512'),
      /^failure for \S+ no new certificate can be had for .*a.*: no certificates today$/,
    );
    assert.deepEqual(used(), ['1 sent', '2 sent', '3 sent'], 'everybody keeps what they have');
    await test.clock.skip(4 * HOUR);
    assert.match(await lines('CHK0501'), /^warning .*web\/a.*web\/b.*web\/c|^failure/m);
    test.svids.failing = false;
    await test.clock.advance(300_000);
    assert.equal(test.control.certificates.renewals.failing().length, 0);
    assert.equal(said(/every certificate that is due could be renewed again/), 1);
    assert.match(`${await lines('CHK0512')}${await lines('CHK0501')}`, /^ok.*ok/);
  });

  it('alarm once for each window of the life, in one line for all', async () => {
    await join('default/web/a');
    await join('default/web/b');
    test.svids.failing = true;
    await test.clock.skip(23.9 * HOUR);
    assert.equal(said(/^2 certificates to be replaced by now and not replaced: default\/web\/a, default\/web\/b$/), 1);
    assert.equal(said(/^2 certificates about to end and not replaced: /), 1);
    assert.match(await lines('CHK0501'), /^failure certificates end soon and are not renewed/);
    await test.clock.skip(HOUR / 5);
    assert.equal(said(/^2 certificates expired: /), 1);
    assert.match(await lines('CHK0501'), /^failure certificates have expired/);
    test.svids.failing = false;
    await test.clock.advance(60_000);
    assert.match(await lines('CHK0501'), /^ok/);
    const again = test.log.filter((sentence) => sentence.startsWith('good again')).join();
    assert.match(again, /web\/a/);
    assert.match(again, /web\/b/);
    assert.equal(said(/certificates? (to be replaced|about to end|expired)/), 3);
  });

  it('hold back no policy and no address', async () => {
    const web = await join();
    test.svids.failing = true;
    await test.clock.skip(15 * HOUR);
    const before = test.count(web);
    await join('default/orders/a').catch(() => undefined);
    await test.save(MESH.replace('web: {}', 'web: { uses: [orders] }'));
    assert.ok(test.count(web) > before);
  });

  it('wait while there are news: a plan goes out with the certificate in force, and the renewal follows', async () => {
    const web = await join();
    const first = serial();
    let release = (): void => {};
    test.svids.slow.set('default/web/a', new Promise((resolve) => (release = resolve)));
    test.clock.stall(15 * HOUR);
    await test.save(MESH.replace('web: {}', 'web: { uses: [orders] }'));
    assert.ok(test.count(web) > 0 && serial() === first);
    test.svids.slow.clear();
    release();
    await test.clock.advance(40_000);
    assert.notEqual(serial(), first);
  });

  it('compare what was ACKed with what was sent', async () => {
    const web = await join();
    assert.deepEqual(used(), ['1 sent']);
    take(web);
    assert.deepEqual(used(), ['1 held']);
    await test.clock.skip(15 * HOUR);
    assert.deepEqual(used(), ['1 sent'], 'the new one is out, and it uses the old one');
    assert.equal(test.control.certificates.of(web)?.svid?.serial, '1');
    take(web);
    assert.deepEqual(used(), ['2 held']);
  });

  it('know from what a sidecar brings along what it holds', async () => {
    const web = await join();
    const held = new Map([[TYPE.sds, new Map([[WEB, version(web)]])]]);
    test.event({ kind: 'progress', stream: web, at: test.clock.now(), progress: 'settled', held });
    assert.deepEqual(used(), ['1 held']);
  });

  it('name a sidecar that NACKs its secret, leave it the old one, and send another until it takes one', async () => {
    const web = await join();
    take(web);
    await test.clock.skip(15 * HOUR);
    refuse(web);
    assert.deepEqual(used(), ['1 refused']);
    assert.match(await lines('CHK0511'), /^failure default\/web\/a refused the new certificate: bad key$/);
    assert.equal(said(/a sidecar refuses its new certificate/), 1);
    assert.deepEqual(test.renewalsFailed, ['refused']);
    await test.clock.advance(90_000);
    assert.equal(serial(), '3', 'a new key, after a minute at most');
    refuse(web);
    await test.clock.advance(55_000);
    assert.equal(serial(), '3', 'the second time it takes longer');
    await test.clock.advance(90_000);
    assert.equal(serial(), '4');
    assert.equal(said(/a sidecar refuses its new certificate/), 1);
    take(web);
    assert.deepEqual(used(), ['4 held']);
    assert.match(await lines('CHK0511'), /^ok/);
    await test.clock.skip(HOUR);
    assert.equal(serial(), '4');
  });

  it('are no reason to blame a certificate for the refusal of something else', async () => {
    const web = await join();
    take(web);
    const resources = [{ name: 'spiffe://shop.example', version: 'x' }];
    test.event({
      kind: 'nacked',
      stream: web,
      at: 0,
      type: TYPE.sds,
      version: 'v',
      resources,
      removed: [],
      error: 'x',
    });
    assert.deepEqual(used(), ['1 held']);
    assert.deepEqual(test.renewalsFailed, []);
  });

  it('bring the newest certificate to every stream of a node', async () => {
    const streams = [await join(), await test.connect(await test.token('default/web'), 'default/web/b')];
    await test.clock.skip(15 * HOUR);
    for (const stream of streams) assert.equal(test.count(stream), 2);
    assert.equal(test.svids.issued.length, 4);
  });

  it('list every certificate that lives: of those that are here and of those that are away', async () => {
    const web = await join();
    const other = await join('default/web/b');
    take(web);
    test.event({ kind: 'closed', stream: other, at: test.clock.now() });
    const live = () =>
      test.control.certificates.live().live.map(({ node, serial, state }) => `${node} ${serial} ${state}`);
    assert.deepEqual(live(), ['default/web/a 1 held', 'default/web/b 2 away']);
    await test.clock.skip(15 * HOUR);
    refuse(web);
    assert.deepEqual(live(), ['default/web/a 3 refused', 'default/web/a 1 earlier', 'default/web/b 2 away']);
    await test.clock.skip(10 * HOUR);
    assert.doesNotMatch(live().join(), /web\/b/, 'it has ended');
  });
});

describe('a restart in the middle of renewals', () => {
  it('goes on with what is due, and with nothing else', async () => {
    const store = memoryStore();
    const before = await TestControl.start(MESH, store);
    const token = await before.token('default/web');
    for (const name of ['a', 'b']) await before.connect(token, `default/web/${name}`);
    await before.clock.skip(10 * HOUR);
    await before.control.renew('default/web');
    const issued = before.svids.issued.length;
    await before.clock.skip(5 * HOUR);
    await before.close();
    const after = await TestControl.start(MESH, store, before.clock, before.svids);
    for (const name of ['a', 'b']) await after.connect(token, `default/web/${name}`);
    assert.equal(after.svids.issued.length, issued, 'nothing is due, 5 h after the last renewal');
    await after.clock.skip(10 * HOUR);
    assert.equal(after.svids.issued.length, issued + 2);
    await after.close();
  });
});

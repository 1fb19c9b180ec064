import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IssuedListAnswer } from '../../src/admin/responses.ts';
import { httpApp } from '../support/apps.ts';
import { certify, type Party, type Shape } from '../support/enterprise.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { caOf, renew, rootsOf, signedMeshYaml, signerLine, squeezed } from '../support/signedMesh.ts';
import { useWorld } from '../support/world.ts';

/** A folder as cert-manager mounts it, written by renaming. */
const filesOf = (folder: string) => {
  mkdirSync(folder);
  const put = (name: string, text: string): void => {
    writeFileSync(join(folder, 'new'), text, { mode: 0o600 });
    renameSync(join(folder, 'new'), join(folder, name));
  };
  return {
    /** With the key of another one, if it is said. */
    hold: (ca: Party, roots: string, key = ca.key): void => {
      put('ca.crt', roots);
      put('tls.key', key.export({ type: 'pkcs8', format: 'pem' }) as string);
      put('tls.crt', ca.pem);
    },
    away: (isAway: boolean): void => {
      if (isAway) renameSync(folder, `${folder}.away`);
      else renameSync(`${folder}.away`, folder);
    },
    signer: (sign: string): string => {
      const [certificate, key, roots] = ['tls.crt', 'tls.key', 'ca.crt'].map((name) => join(folder, name));
      return `{ file: { certificate: ${certificate}, key: ${key}, roots: ${roots} }, sign: ${sign} }`;
    },
  };
};

describe('a signer by files', function () {
  this.timeout(120_000);
  const world = useWorld();
  const folder = mkdtempSync(join(tmpdir(), 'signet-files-'));
  const root = certify({ name: 'Files Root' });
  const issuing = certify({ name: 'Files Issuing', pathLength: 1 }, root);
  const files = filesOf(join(folder, 'ca'));
  let mesh: TestMesh;
  let target: number;
  let [web, orders]: Sidecar[] = [];

  before(async () => {
    files.hold(issuing, root.pem);
    target = world.own(await httpApp('orders')).port;
    mesh = await world.mesh(signedMeshYaml(target, files.signer('intermediate')));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });
  after(() => rmSync(folder, { recursive: true }));

  const says = (level: string, words: RegExp): Promise<void> =>
    eventually(async () => {
      const line = await signerLine(mesh);
      assert.equal(line?.level, level, line?.message);
      assert.match(line?.message ?? '', words);
    }, 25_000);
  const issuers = async (): Promise<readonly (readonly [string | null, string | null])[]> =>
    ((await mesh.json('ca', 'list')) as IssuedListAnswer).certificates
      .filter(({ state }) => state === 'held')
      .map(({ issuer, root: above }) => [issuer, above]);

  it('stands above the mesh from its first start on', async () => {
    assert.deepEqual(await rootsOf(mesh), [squeezed(root.pem)]);
    await says('ok', /tls\.crt\) signs$/);
    const { serial } = (await caOf(mesh)).intermediate;
    await eventually(async () => {
      const held = await issuers();
      assert.deepEqual(
        held.map(([issuer]) => issuer),
        [serial, serial],
      );
    });
  });

  it('whose files are gone is away by name, which is over when they are back though nothing was due', async () => {
    const load = world.load(web, { host: 'orders' });
    files.away(true);
    await says(
      'warning',
      /is away since .*tls\.crt cannot be read \(ENOENT\); the intermediate in force, .* ends in 6d/,
    );
    assert.match((await mesh.signet('ca', 'status')).stdout, /is to sign the intermediate, and is away since/);
    await renew(mesh, orders, 'orders');
    files.away(false);
    await says('ok', /tls\.crt\) signs$/);
    await renew(mesh, web, 'web');
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 50, `only ${ok} calls were made`);
  });

  it('that is wrong is named, and changes nothing', async () => {
    const held = async () => [(await caOf(mesh)).intermediate.serial, await rootsOf(mesh)];
    const before = await held();
    const hour = 3_600_000;
    const is = (shape: Shape): Party => certify({ name: 'Files Wrong', ...shape }, root);
    const past = { notBefore: Date.now() - 2 * hour, notAfter: Date.now() - hour };
    const load = world.load(web, { host: 'orders' });
    for (const [name, ca, key, words] of [
      ['key', issuing, certify({}).key, /the key in .*key\/tls\.key is not the one of/],
      ['leaf', is({ ca: false }), undefined, /certificate 2 .*Files Wrong.* is no CA/],
      ['over', is(past), undefined, /certificate \d .* (expired at|ends before it begins)/],
    ] as const) {
      const wrong = filesOf(join(folder, name));
      wrong.hold(ca, root.pem, key);
      await mesh.save(signedMeshYaml(target, wrong.signer('intermediate')));
      await says('warning', words);
    }
    assert.deepEqual(await held(), before);
    await renew(mesh, web, 'web');
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 50, `only ${ok} calls were made`);
  });

  it('takes over every leaf on save; away, it stops nobody who has one, and says why nobody gets the next', async () => {
    const load = world.load(web, { host: 'orders' });
    await mesh.save(signedMeshYaml(target, files.signer('leaves')));
    await eventually(async () => assert.match((await mesh.ask('ca', 'status')).stdout, /signs every leaf/));
    await renew(mesh, orders, 'orders');
    await renew(mesh, web, 'web');
    assert.match((await caOf(mesh)).intermediate.subject, /Files Issuing/);
    files.away(true);
    const { code, stderr } = await mesh.signet('ca', 'renew', 'prod/web');
    assert.equal(code, 1);
    assert.match(stderr, /^signet: the signer \(file .*tls\.crt\): .*tls\.crt cannot be read \(ENOENT\)\n$/);
    await says('warning', /nobody new can join, and the first certificate \(prod\/.*\) ends in 23h/);
    files.away(false);
    await says('ok', /tls\.crt\) signs$/);
    await eventually(() => renew(mesh, web, 'web'), 30_000);
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 50, `only ${ok} calls were made`);
  });

  it('whose root changes is followed by a rotation, without a failed request', async () => {
    const load = world.load(web, { host: 'orders' });
    const next = certify({ name: 'Next Root' });
    files.hold(next, next.pem);
    await renew(mesh, orders, 'orders').catch(() => undefined);
    await eventually(async () => assert.deepEqual(await rootsOf(mesh), [squeezed(next.pem)]), 40_000);
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 50, `only ${ok} calls were made`);
  });
});

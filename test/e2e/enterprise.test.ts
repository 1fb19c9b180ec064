import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import type { TestMesh } from '../support/mesh.ts';
import { type OpensslCa, opensslCa } from '../support/opensslCa.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { caOf, signedMeshYaml as meshYaml, renew, rootsOf, signerLine, squeezed } from '../support/signedMesh.ts';
import { useWorld } from '../support/world.ts';

describe('an exec signer', function () {
  this.timeout(180_000);
  const world = useWorld();
  let ca: OpensslCa;
  let mesh: TestMesh;
  let target: number;
  let [web, orders]: Sidecar[] = [];
  const signer = (sign: string, ...more: string[]) => `{ exec: [${[ca.command, ...more].join(', ')}], sign: ${sign} }`;

  before(async () => {
    ca = world.own(opensslCa());
    target = world.own(await httpApp('orders')).port;
    ca.away(true);
    setTimeout(() => ca.away(false), 3_000);
    mesh = await world.mesh(meshYaml(target, signer('intermediate')));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  it('that was away at the first start was waited for, with a sentence, and no root was made in its place', async () => {
    assert.match(
      mesh.server().stdout() + mesh.server().stderr(),
      /cannot begin before the signer has signed.*the HSM is away/,
    );
    assert.deepEqual(await rootsOf(mesh), [squeezed(ca.rootPem)]);
    assert.match((await caOf(mesh)).root.subject, /Corp Root/);
    assert.match((await signerLine(mesh))?.message ?? '', /sign\.sh\) signs$/);
  });

  it('that goes away lets the mesh serve on, new certificates included, and check says until when', async () => {
    const load = world.load(web, { host: 'orders' });
    const before = (await caOf(mesh)).intermediate.serial;
    ca.away(true);
    // Another command is another signer, which is asked at once.
    await mesh.save(meshYaml(target, signer('intermediate', 'again')));
    await eventually(async () => {
      const line = await signerLine(mesh);
      assert.equal(line?.level, 'warning');
      assert.match(
        line?.message ?? '',
        /is away since .*it ended with 7 \(stderr: the HSM is away\); the intermediate in force, which signs all leaves, ends in 6d/,
      );
    }, 20_000);
    assert.match((await mesh.signet('ca', 'status')).stdout, /is to sign the intermediate, and is away since/);
    assert.match(String((await mesh.api('/metrics')).body), /^signet_signer_up 0$/m);
    await renew(mesh, orders, 'orders');
    ca.away(false);
    await eventually(async () => assert.equal((await signerLine(mesh))?.level, 'ok'), 30_000);
    await eventually(async () => assert.notEqual((await caOf(mesh)).intermediate.serial, before), 30_000);
    await renew(mesh, orders, 'orders');
    await renew(mesh, web, 'web');
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 100, `only ${ok} calls were made`);
  });

  it('takes over the leaves on save, without a failed request and without a CA key in Signet from then on', async () => {
    const load = world.load(web, { host: 'orders' });
    await mesh.save(meshYaml(target, signer('leaves')));
    await eventually(async () => assert.match((await mesh.ask('ca', 'status')).stdout, /signs every leaf/));
    await renew(mesh, orders, 'orders');
    await renew(mesh, web, 'web');
    assert.match((await caOf(mesh)).intermediate.subject, /Corp Issuing CA/);
    const debug = await world.sidecar(mesh, 'prod/web');
    await debug.callUntil(200, { host: 'orders' });
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 50, `only ${ok} calls were made`);
  });

  it('of leaves that goes away: nobody new is served, those who are serve on, over a restart too', async () => {
    ca.away(true);
    const { code, stderr } = await mesh.signet('ca', 'renew', 'prod/web');
    assert.equal(code, 1);
    assert.match(stderr, /the HSM is away/);
    assert.match(
      (await signerLine(mesh))?.message ?? '',
      /nobody new can join, and the first certificate \(prod\/.*\) ends in 23h/,
    );
    await mesh.kill();
    await mesh.start();
    await web?.callUntil(200, { host: 'orders' });
    await eventually(async () => assert.equal((await mesh.status()).sidecars.length >= 3, true), 30_000);
    ca.away(false);
    await eventually(() => renew(mesh, web, 'web'), 60_000);
    await web?.callUntil(200, { host: 'orders' });
  });
});

describe('an offline root', function () {
  this.timeout(180_000);
  const world = useWorld();
  let ca: OpensslCa;
  let mesh: TestMesh;
  let [web, orders]: Sidecar[] = [];

  before(async () => {
    ca = world.own(opensslCa(['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521']));
    const target = world.own(await httpApp('orders')).port;
    mesh = await world.mesh(meshYaml(target));
    [web, orders] = await world.sidecars(mesh, 'prod/web', 'prod/orders');
    await web.callUntil(200, { host: 'orders' });
  });

  it('takes over by csr, import and rotate, under load and without a failed request', async () => {
    const load = world.load(web, { host: 'orders' });
    const { stdout: csr } = await mesh.signet('ca', 'csr');
    assert.equal((await mesh.signet('ca', 'csr')).stdout, csr);
    const chain = join(mesh.folder, 'chain.pem');
    await writeFile(chain, ca.signCa(csr));
    const imported = await mesh.signet('ca', 'import', chain);
    assert.equal(imported.code, 0, imported.stderr);
    assert.match(imported.stdout, /root \(new, .*Corp Root/);
    assert.equal((await rootsOf(mesh)).length, 2);
    const rotated = await mesh.signet('ca', 'rotate', '--yes', '--wait');
    assert.equal(rotated.code, 0, rotated.stderr + rotated.stdout);
    await eventually(async () => assert.deepEqual(await rootsOf(mesh), [squeezed(ca.rootPem)]), 30_000);
    await renew(mesh, web, 'web');
    await renew(mesh, orders, 'orders');
    const { ok, failures } = await load.stop();
    assert.deepEqual(failures, {});
    assert.ok(ok > 100, `only ${ok} calls were made`);
  });

  it('refuses another root of its own making, and a chain for no request, each in a sentence', async () => {
    const rotated = await mesh.signet('ca', 'rotate', '--yes');
    assert.equal(rotated.code, 1);
    assert.match(rotated.stderr, /the key of the mesh root \w+ is not in Signet.*signet ca csr/);
    const imported = await mesh.signet('ca', 'import', join(mesh.folder, 'chain.pem'));
    assert.equal(imported.code, 1);
    assert.match(imported.stderr, /^signet: no request is pending.*signet ca csr/);
    const text = await readFile(join(mesh.folder, 'chain.pem'), 'utf8');
    assert.doesNotMatch(text, /PRIVATE/);
  });
});

import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimLoopback, type Loopback } from '../support/loopback.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Done } from '../support/processes.ts';
import { runSignet } from '../support/signet.ts';
import { useWorld } from '../support/world.ts';

const GOOD = 'mesh: { trustDomain: shop.example }\nservices:\n  web: {}\n';

describe('bad input gets one clear sentence, a non-zero exit, and nothing half-started', function () {
  this.timeout(60_000);
  const world = useWorld();
  let loopback: Loopback;
  let mesh: TestMesh;
  let folder: string;

  before(async () => {
    loopback = await claimLoopback();
    mesh = await world.mesh(GOOD);
  });
  after(() => loopback.release());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-bad-'));
    await writeFile(join(folder, 'mesh.yaml'), GOOD);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const at = (port: number): string => `${loopback.address(1)}:${port}`;
  const serve = (...more: readonly string[]): Promise<Done> =>
    runSignet(['serve', '--xds', at(18_000), '--admin', at(18_001), ...more], { cwd: folder, timeout: 20_000 });

  const refused = ({ code, stderr }: Done, exit: number, ...words: readonly RegExp[]): void => {
    assert.equal(code, exit, stderr);
    for (const word of words) assert.match(stderr, word);
    assert.doesNotMatch(stderr, /\n\s+at .*:\d+:\d+/, 'a stack trace is no sentence');
  };
  const refusedInALine = (done: Done, exit: number, ...words: readonly RegExp[]): void => {
    refused(done, exit, ...words);
    assert.equal(done.stderr.trim().split('\n').length, 1, done.stderr);
  };

  it('an unknown flag and an unknown command: exit 2', async () => {
    refusedInALine(await serve('--bogus'), 2, /--bogus/);
    refusedInALine(await runSignet(['srve'], { cwd: folder }), 2, /srve/);
    refusedInALine(await runSignet(['bootstrap'], { cwd: folder }), 2, /service/);
    assert.deepEqual(await readdir(folder), ['mesh.yaml']);
  });

  it('a missing mesh.yaml', async () => {
    await rm(join(folder, 'mesh.yaml'));
    refusedInALine(await serve(), 1, /mesh\.yaml/, /--config/);
    assert.deepEqual(await readdir(folder), []);
  });

  it('a half-written mesh.yaml', async () => {
    await writeFile(join(folder, 'mesh.yaml'), 'mesh: { trustDomain: shop.example }\nservices:\n  web: { ports: [80');
    refused(await serve(), 1, /mesh\.yaml:\d+:\d+ SIG0\d{3} /);
    assert.deepEqual(await readdir(folder), ['mesh.yaml']);
  });

  it('a taken port, of sidecars or of operators', async () => {
    for (const port of [18_000, 18_001]) {
      const holder = createServer();
      await new Promise<void>((resolve) => holder.listen(port, loopback.address(1), resolve));
      refusedInALine(await serve(), 1, new RegExp(at(port).replaceAll('.', '\\.')), /--(xds|admin)/);
      await new Promise((resolve) => holder.close(resolve));
    }
  });

  it('a data directory that others may read', async () => {
    await mkdir(join(folder, 'open'));
    await chmod(join(folder, 'open'), 0o755);
    refusedInALine(await serve('--data', 'open'), 1, /open/, /chmod/);
    assert.deepEqual(await readdir(join(folder, 'open')), []);
  });

  it('a data directory that another signet serve is using', async () => {
    refusedInALine(await serve('--data', mesh.data), 1, /data/, /use|running|another/);
    assert.equal((await mesh.signet('ca', 'status')).code, 0);
  });

  it('no control plane, or one that this token is not for', async () => {
    const nowhere = ['--server', `http://${at(18_009)}`];
    await writeFile(join(folder, 'token'), 'nothing', { mode: 0o600 });
    refusedInALine(
      await runSignet(['status', ...nowhere, '--admin-token-file', 'token'], { cwd: folder }),
      1,
      /18009/,
      /serve/,
    );
    refusedInALine(await runSignet(['status', ...nowhere], { cwd: folder }), 1, /admin\.token/);
    const wrong = ['--server', `http://${mesh.admin.host}:${mesh.admin.port}`, '--admin-token-file', 'token'];
    refusedInALine(await runSignet(['status', ...wrong], { cwd: folder }), 1, /token/);
  });

  it('an Envoy that is none', async () => {
    const sidecar = (binary: string): Promise<Done> =>
      runSignet(
        [
          ...['sidecar', 'default/web', '--server', `http://${mesh.admin.host}:${mesh.admin.port}`],
          ...['--admin-token-file', join(mesh.data, 'admin.token')],
        ],
        { cwd: folder, env: { ENVOY_BIN: binary }, timeout: 20_000 },
      );
    refusedInALine(await sidecar('/nowhere/envoy'), 1, /ENVOY_BIN/, /\/nowhere\/envoy/);
    refusedInALine(await sidecar(process.execPath), 1, /ENVOY_BIN/);
    refusedInALine(await sidecar(join(folder, 'mesh.yaml')), 1, /ENVOY_BIN/);
    // Nobody joined, so no token was used up for it.
    assert.deepEqual((await mesh.status()).sidecars, []);
  });

  it('a service that the mesh does not have', async () => {
    for (const command of ['bootstrap', 'translate']) {
      refusedInALine(await mesh.signet(command, 'default/wbe'), 1, /default\/wbe/, /default\/web/);
    }
    refused(await mesh.signet('bootstrap', 'web/'), 2, /NAMESPACE\/NAME/);
  });
});

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HttpApp, httpApp } from '../support/apps.ts';
import { eventually } from '../support/eventually.ts';
import { call } from '../support/http.ts';
import { type Mark, newMark } from '../support/marked.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Running } from '../support/processes.ts';
import { startSignet } from '../support/signet.ts';
import { useWorld } from '../support/world.ts';

const meshYaml = (target: number): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      debug: {}
      payments: { ports: [8080:${target}/http], allow: [debug] }
`;

// What an app does that knows nothing of Signet: it calls a name through $http_proxy.
const CALL = `
const { request } = require('node:http');
const { hostname, port } = new URL(process.env.http_proxy);
request({ host: hostname, port, path: 'http://payments/debug/x' }, (answer) => {
  answer.resume();
  console.log('status ' + answer.statusCode);
  answer.on('end', () => process.exit(7));
}).end();
`;
const WAIT = `console.log('waiting'); setInterval(() => {}, 1000)`;

describe('signet sidecar', function () {
  this.timeout(60_000);
  const world = useWorld();
  let app: HttpApp;
  let mesh: TestMesh;
  let next = 100;
  let temporary: string;

  before(async () => {
    temporary = await mkdtemp(join(tmpdir(), 'signet-e2e-tmp-'));
    app = world.own(await httpApp('payments'));
    mesh = await world.mesh(meshYaml(app.port));
    await world.sidecar(mesh, 'prod/payments');
  });

  after(() => rm(temporary, { recursive: true }));

  type Started = { readonly running: Running; readonly mark: Mark; readonly address: string };

  const sidecar = (...command: readonly string[]): Started => {
    const mark = newMark();
    const address = world.address(next++);
    const running = startSignet(
      'signet sidecar',
      [
        ...['sidecar', 'prod/debug', '--address', address, '--outbound', `${address}:15001`],
        ...['--server', `http://${mesh.admin.host}:${mesh.admin.port}`],
        ...['--admin-token-file', `${mesh.data}/admin.token`],
        ...(command.length === 0 ? [] : ['--', ...command]),
      ],
      { env: { ...mark.env, TMPDIR: temporary } },
    );
    mesh.own(running);
    return { running, mark, address };
  };
  const nothingLeft = (mark: Mark): Promise<void> => eventually(() => assert.deepEqual(mark.processes(), []), 10_000);
  const envoyOf = ({ mark }: Started): number | undefined =>
    mark.processes().find(({ command }) => /envoy.*--disable-hot-restart/.test(command))?.pid;
  const ready = ({ address }: Started): Promise<void> =>
    eventually(
      async () => assert.equal((await call({ host: address, port: 15_001 }, { host: 'payments' })).status, 200),
      20_000,
    );

  it('runs a command once it is ready, with http_proxy, and passes its output and exit code on', async () => {
    const { running, mark } = sidecar(process.execPath, '-e', CALL);
    const { code } = await running.exited;
    assert.equal(running.stdout(), 'status 200\n', running.stderr());
    assert.equal(code, 7);
    assert.equal(app.last().headers['x-forwarded-client-cert'], 'URI=spiffe://shop.example/ns/prod/sa/debug');
    await nothingLeft(mark);
  });

  it('says so when the command does not exist, and leaves nothing behind', async () => {
    const { running, mark } = sidecar('./no-such-command');
    const { code } = await running.exited;
    assert.notEqual(code, 0);
    assert.match(running.stderr(), /no-such-command/);
    await nothingLeft(mark);
  });

  it('ends its command and its Envoy when it is told to end', async () => {
    const started = sidecar(process.execPath, '-e', WAIT);
    await eventually(() => assert.match(started.running.stdout(), /waiting/), 20_000);
    await started.running.stop('SIGTERM');
    await nothingLeft(started.mark);
  });

  it('ends its command when its Envoy is gone: an app without its sidecar is no part of the mesh', async () => {
    const started = sidecar(process.execPath, '-e', WAIT);
    await eventually(() => assert.match(started.running.stdout(), /waiting/), 20_000);
    process.kill(envoyOf(started) ?? 0, 'SIGKILL');
    const { code } = await started.running.exited;
    assert.notEqual(code, 0);
    await nothingLeft(started.mark);
  });

  it('without a command starts a killed Envoy again, and ends with it on SIGTERM', async () => {
    const started = sidecar();
    await ready(started);
    const first = envoyOf(started);
    assert.ok(first !== undefined, 'no Envoy runs');
    process.kill(first, 'SIGKILL');
    await eventually(() => assert.notEqual(envoyOf(started) ?? first, first), 15_000);
    await ready(started);
    const { code } = await started.running.stop('SIGTERM');
    assert.equal(code, 0);
    await nothingLeft(started.mark);
  });

  it('removes at its start the key that a killed one left behind, and none that is in use', async () => {
    const folders = (): readonly string[] =>
      readdirSync(temporary).filter((name) => name.startsWith('signet-sidecar-'));
    const [lives, dies] = [sidecar(), sidecar()];
    await Promise.all([ready(lives), ready(dies)]);
    await dies.running.stop('SIGKILL');
    await nothingLeft(dies.mark);
    assert.equal(folders().length, 2);
    const next = sidecar();
    await ready(next);
    assert.equal(folders().length, 2);
    for (const { running } of [lives, next]) await running.stop('SIGTERM');
    assert.deepEqual(folders(), []);
  });
});

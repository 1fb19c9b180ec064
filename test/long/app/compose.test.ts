import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { compose, type Running, type ServeOptions } from '../../../src/app/compose.ts';
import { secret } from '../../../src/lib/secret.ts';
import { runCli } from '../../support/cli.ts';
import { opensslCa } from '../../support/opensslCa.ts';
import { until } from '../../support/until.ts';

const MESH = 'mesh: { trustDomain: shop.example }\nservices: { web: {} }\n';

describe('signet serve, put together', () => {
  let folder: string;
  let running: Running | undefined;
  let said: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'signet-compose-'));
    await writeFile(join(folder, 'mesh.yaml'), MESH);
    said = [];
  });
  afterEach(async () => {
    await running?.close();
    running = undefined;
    await rm(folder, { recursive: true });
  });

  const options = (more: Partial<ServeOptions> = {}): ServeOptions => ({
    config: join(folder, 'mesh.yaml'),
    data: join(folder, 'data'),
    xds: { host: '127.0.0.1', port: 0 },
    admin: { host: '127.0.0.1', port: 0 },
    env: {},
    log: pino({}, { write: (line) => void said.push(line) }),
    ...more,
  });
  const start = async (more: Partial<ServeOptions> = {}): Promise<Running> => {
    running = await compose(options(more));
    return running;
  };
  const ask = ({ admin }: Running, ...words: readonly string[]) =>
    runCli([
      ...words,
      '--server',
      `http://127.0.0.1:${admin.port}`,
      '--admin-token-file',
      join(folder, 'data/admin.token'),
    ]);
  const root = async (serve: Running): Promise<string> =>
    JSON.parse((await ask(serve, 'ca', 'status', '-o', 'json')).stdout).root.serial;

  it('answers operators, and ends without a trace', async () => {
    const serve = await start();
    assert.equal((await fetch(`http://127.0.0.1:${serve.admin.port}/readyz`)).status, 200);
    const { code, stdout } = await ask(serve, 'status', '-o', 'json');
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout).sidecars, []);
    await serve.close();
    running = undefined;
    await assert.rejects(fetch(`http://127.0.0.1:${serve.admin.port}/readyz`));
  });

  it('keeps everything for its owner alone', async () => {
    await start();
    for (const name of ['', ...(await readdir(join(folder, 'data')))]) {
      const { mode } = await stat(join(folder, 'data', name));
      assert.equal(mode & 0o077, 0, name);
    }
  });

  it('keeps keys encrypted from the first start with a passphrase on, and starts with that one alone', async () => {
    await (await start()).close();
    const passphrase = secret('correct horse battery');
    const first = await start({ passphrase });
    const serial = await root(first);
    await first.close();
    for (const [wrong, code] of [
      [undefined, 'ca_sealed'],
      [secret('incorrect horse battery'), 'ca_passphrase'],
    ] as const)
      await assert.rejects(start({ passphrase: wrong }), { name: 'AppError', code });
    const second = await start({ passphrase });
    assert.equal(await root(second), serial);
    await second.close();
    const [old, next] = [join(folder, 'old'), join(folder, 'next')];
    await writeFile(old, 'correct horse battery\n', { mode: 0o600 });
    await writeFile(next, 'another horse battery\n', { mode: 0o600 });
    const change = ['ca', 'passphrase', '--data', join(folder, 'data'), '--ca-passphrase-file'];
    assert.equal((await runCli([...change, next, '--remove'])).code, 1);
    const changed = await runCli([...change, old, '--new-passphrase-file', next]);
    assert.deepEqual([changed.code, changed.stdout], [0, 'the keys are encrypted with the new passphrase\n']);
    assert.equal((await runCli([...change, next, '--remove'])).code, 0);
    assert.equal((await runCli([...change, next])).code, 2);
    assert.equal(await root(await start()), serial);
  });

  it('has the same root and admin token after a restart', async () => {
    const first = await start();
    const [serial, token] = [await root(first), await readFile(join(folder, 'data/admin.token'), 'utf8')];
    await first.close();
    const second = await start();
    assert.deepEqual([await root(second), await readFile(join(folder, 'data/admin.token'), 'utf8')], [serial, token]);
  });

  it('prints a bootstrap that knows where it listens', async () => {
    const serve = await start();
    const { code, stdout, stderr } = await ask(serve, 'bootstrap', 'default/web');
    assert.equal(code, 0);
    assert.equal(stderr, 'envoy -c F --disable-hot-restart --drain-time-s 5 --drain-strategy immediate\n');
    assert.match(stdout, new RegExp(`"port_value": ${serve.xds.port}`));
    assert.equal((await ask(serve, 'bootstrap', 'default/wbe')).code, 1);
  });

  it('asks for --xds when it listens on all addresses', async () => {
    const serve = await start({ xds: { host: '0.0.0.0', port: 0 } });
    const without = await ask(serve, 'bootstrap', 'default/web');
    assert.deepEqual([without.code, /--xds HOST:PORT/.test(without.stderr)], [2, true]);
    const given = await ask(serve, 'bootstrap', 'default/web', '--xds', 'signet.example:18000');
    assert.match(given.stdout, /"address": "signet.example"/);
  });

  it('tells a name as it was written', async () => {
    const serve = await start({ xds: { host: 'localhost', port: 0 }, bootstraps: join(folder, 'bootstraps') });
    assert.equal(serve.xds.host, 'localhost');
    assert.match(await readFile(join(folder, 'bootstraps/default/web/envoy.json'), 'utf8'), /"address": "localhost"/);
  });

  const refused = async (more: Partial<ServeOptions>, code: string, sentence: RegExp): Promise<void> => {
    await assert.rejects(compose(options(more)), (error: { code: string; message: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, sentence);
      return true;
    });
  };

  it('refuses what it cannot do safely', async () => {
    await refused({ admin: { host: '0.0.0.0', port: 0 } }, 'usage', /--admin 0\.0\.0\.0 .*HTTPS.*not built yet/);
    await refused({ xds: { host: '0.0.0.0', port: 0 }, bootstraps: 'x' }, 'usage', /--bootstraps .*--xds NAME:PORT/);
    await refused(
      { xds: { host: 'no-such-host.invalid', port: 0 } },
      'listen_failed',
      /no-such-host\.invalid has no address/,
    );
    await refused({ bootstraps: join(folder, 'data/bootstraps') }, 'usage', /--bootstraps and --data overlap/);
    assert.equal(existsSync(join(folder, 'data')), false);
  });

  it('tells an address that is not its own from a taken port', async () => {
    const foreign = { xds: { host: '192.0.2.1', port: 0 } };
    await refused(foreign, 'listen_failed', /EADDRNOTAVAIL.*this host has no such address: name one .*--xds$/);
  });

  it('does not wait for a writer where the mesh file is a FIFO', async () => {
    await rm(join(folder, 'mesh.yaml'));
    await promisify(execFile)('mkfifo', [join(folder, 'mesh.yaml')]);
    await assert.rejects(compose(options()), /no regular file/);
    assert.equal(existsSync(join(folder, 'data')), false);
  });

  it('leaves nothing half-started on a taken port, for operators or sidecars', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    try {
      for (const flag of ['xds', 'admin'] as const) {
        await refused(
          { [flag]: { host: '127.0.0.1', port } },
          'listen_failed',
          new RegExp(`127\\.0\\.0\\.1:${port}.*--${flag}`),
        );
      }
    } finally {
      await new Promise((resolve) => holder.close(resolve));
    }
    await start(); // the store was let go
  });

  it('does not start over the authorities of another trust domain', async () => {
    await (await start()).close();
    running = undefined;
    await writeFile(join(folder, 'mesh.yaml'), MESH.replace('shop', 'other'));
    await refused({}, 'ca_foreign', /shop\.example/);
  });

  it('starts with the last good mesh beside a broken file, and says so', async () => {
    await (await start()).close();
    await writeFile(join(folder, 'mesh.yaml'), 'mesh: {');
    const serve = await start();
    assert.ok(said.some((line) => /the mesh that was served last is served again/.test(line)));
    const { stdout } = await ask(serve, 'status');
    assert.match(stdout, /the file is not in force/);
    assert.match(stdout, /mesh\.yaml:\d+:\d+ SIG0/);
  });

  const freePort = async (): Promise<number> => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    await new Promise((resolve) => holder.close(resolve));
    return port;
  };

  it('is alive and says what it waits for while a first start has no signature, and follows mesh.yaml to another signer', async () => {
    const named = (signer: string): string =>
      `mesh: { trustDomain: shop.example, certificates: { signer: ${signer} } }\nservices: { web: {} }\n`;
    await writeFile(join(folder, 'mesh.yaml'), named(`{ exec: [/bin/sh, -c, 'echo the HSM is away >&2; exit 7'] }`));
    const admin = { host: '127.0.0.1', port: await freePort() };
    const begun = start({ admin });
    const url = `http://127.0.0.1:${admin.port}`;
    await until(async () => (await fetch(`${url}/livez`).catch(() => undefined))?.status === 200);
    const ready = await fetch(`${url}/readyz`);
    assert.deepEqual([ready.status, /its signer has not signed/.test(await ready.text())], [503, true]);
    assert.equal((await fetch(`${url}/api/v1/check`)).status, 401);
    const { code, stdout } = await ask({ admin, xds: admin, close: async () => {} }, 'check');
    assert.equal(code, 1);
    assert.match(stdout, /× CHK0101 the mesh has not begun, .*the HSM is away.*\n {4}mend the signer, .* mesh\.yaml/);
    assert.ok(said.some((line) => /cannot begin before the signer has signed.*the HSM is away/.test(line)));
    assert.ok(!said.some((line) => /Signet serves on/.test(line)));
    await writeFile(join(folder, 'mesh.yaml'), 'mesh: {');
    await until(() => said.some((line) => /SIG0.*the saved file is not followed: /.test(line)), 15_000);
    const ca = await opensslCa();
    try {
      await writeFile(join(folder, 'mesh.yaml'), named(`{ exec: [${ca.command}] }`));
      const serve = await begun;
      assert.equal((await fetch(`${url}/readyz`)).status, 200);
      assert.match((await ask(serve, 'ca', 'status')).stdout, /Corp Root/);
    } finally {
      await ca.stop();
    }
  }).timeout(60_000);
});

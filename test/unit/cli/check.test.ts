import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { healthReport } from '../../../src/admin/schemas.ts';
import type { StreamId } from '../../../src/xds/server.ts';
import { type AdminOf, startAdminOf } from '../../support/adminOf.ts';
import type { CliResult } from '../../support/cli.ts';
import { TestControl } from '../../support/controlPlane.ts';

const MESH = `mesh: { trustDomain: shop.example }
services:
  web: {}
  orders: { ports: [8080/http], allow: [web], endpoints: [{ address: orders-1 }] }
`;

describe('signet check', () => {
  let test: TestControl;
  let server: AdminOf;
  let web: StreamId;

  beforeEach(async () => {
    test = await TestControl.start(MESH);
    server = await startAdminOf(test);
    web = (await test.connect(await test.token('default/web'), 'default/web/a')) as StreamId;
  });
  afterEach(async () => {
    await server.close();
    await test.close();
  });

  const check = (...args: readonly string[]): Promise<CliResult> => server.run('check', ...args);
  const settle = (): void =>
    test.event({ kind: 'progress', stream: web, at: test.clock.now(), progress: 'settled', held: new Map() });
  const breakFile = (): Promise<void> => test.save(MESH.replace('allow: [web]', 'allow: [wbe]'));

  it('shows each finding under its heading, a verdict at the end, and exits 0', async () => {
    settle();
    const { code, stdout, stderr } = await check();
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(
      stdout,
      /^control plane\n-{13}\n√ CHK0101 Signet \d+\.\d+\.\d+ answers, up for .+\n√ CHK0102 .+\n\nmesh file\n/,
    );
    assert.match(stdout, /\n\nsidecars\n-{8}\n√ CHK0301 1 of 1 sidecar took the newest configuration\n/);
    assert.match(stdout, /\n\n√ healthy\n$/);
  });

  it('exits 0 with warnings alone, and says what to do below each', async () => {
    const { code, stdout } = await check();
    assert.equal(code, 0);
    assert.match(stdout, /\n‼ CHK0301 0 of 1 sidecar .*: default\/web\/a\n {4}wait a second, or use --wait\n/);
    assert.match(stdout, /\n\n√ healthy: 1 warning\n$/);
  });

  it('exits 1 with a failure', async () => {
    await breakFile();
    const { code, stdout } = await check();
    assert.equal(code, 1);
    assert.match(stdout, /\n× CHK0201 .*mesh\.yaml:4:\d+ SIG0502 .*\n {4}correct it and save/);
    assert.match(stdout, /\n× not healthy: 1 failure and 1 warning\n$/);
  });

  it('prints the same as JSON, with the same exit codes', async () => {
    settle();
    const good = await check('-o', 'json');
    const report = healthReport.parse(JSON.parse(good.stdout));
    assert.deepEqual([good.code, report.healthy, report.pending], [0, true, false]);
    await breakFile();
    const bad = await check('-o', 'json');
    const { healthy, findings } = healthReport.parse(JSON.parse(bad.stdout));
    assert.deepEqual([bad.code, healthy], [1, false]);
    assert.deepEqual(
      findings.filter(({ level }) => level === 'failure').map(({ code }) => code),
      ['CHK0201'],
    );
  });

  it('--wait comes back when the last sidecar took the newest configuration', async () => {
    let settled = false;
    setTimeout(() => {
      settled = true;
      settle();
    }, 300);
    const { code, stdout } = await check('--wait', '--timeout', '5s');
    assert.deepEqual([code, settled], [0, true]);
    assert.match(stdout, /^√ CHK0301/m);
  });

  it('--wait gives up in time, and shows what it was waiting for', async () => {
    const started = performance.now();
    const { code, stdout } = await check('--wait', '--timeout', '300ms');
    assert.equal(code, 1);
    assert.ok(performance.now() - started < 10_000);
    assert.match(stdout, /^‼ CHK0301 .*default\/web\/a$/m);
    assert.match(stdout, /\n× not healthy within 300ms: 1 warning\n$/);
  });

  it('--wait waits for a control plane that is being started', async () => {
    settle();
    const file = join(test.folder, 'token');
    await rm(file);
    setTimeout(() => void writeFile(file, 't\n'), 300);
    assert.equal((await check('--wait', '--timeout', '5s')).code, 0);
  });

  const unanswered: readonly (readonly [string, readonly string[], RegExp])[] = [
    [
      'nobody listens',
      ['--server', 'http://127.0.0.1:1'],
      /\n× CHK0101 no control plane answers at http:\/\/127\.0\.0\.1:1 \(.+\)\n {4}start one with `signet serve`, or name it with --server\n/,
    ],
    [
      'the token is not there',
      ['--admin-token-file', 'none'],
      /\n× CHK0101 the admin token cannot be read from none \(.+\)\n {4}`signet serve` writes it as DATA\/admin\.token; .+\n/,
    ],
    [
      'the token is another one',
      ['--admin-token-file', 'OTHER'],
      /\n× CHK0101 the control plane does not take the admin token in \S+\/other\n {4}name the DATA\/admin\.token .+\n/,
    ],
  ];
  for (const [why, args, expected] of unanswered) {
    it(`is one × with the reason and what to do where ${why}, and exit 1`, async () => {
      await writeFile(join(test.folder, 'other'), 'x\n');
      const given = args.map((word) => word.replace('OTHER', join(test.folder, 'other')));
      const { code, stdout, stderr } = await check(...given);
      assert.deepEqual({ code, stderr }, { code: 1, stderr: '' });
      assert.match(stdout, expected);
      assert.match(stdout, /\n\n× not healthy: 1 failure\n$/);
      const json = await check(...given, '-o', 'json');
      const { healthy, findings } = healthReport.parse(JSON.parse(json.stdout));
      assert.deepEqual([json.code, healthy, findings.length], [1, false, 1]);
    });
  }
});

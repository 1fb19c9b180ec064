import assert from 'node:assert/strict';
import { Registry } from 'prom-client';
import { watchRotation } from '../../../src/admin/rotationMetrics.ts';
import { OUTPUTS } from '../../../src/admin/schemas.ts';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { channelRotation } from '../../../src/control/rotation/channel.ts';
import { anchorNames } from '../../../src/spiffe/anchorName.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { type AdminOf, startAdminOf } from '../../support/adminOf.ts';
import type { CliResult } from '../../support/cli.ts';
import { TestControl } from '../../support/controlPlane.ts';
import { IDLE, idleRotation } from '../../support/idleRotation.ts';
import { RotatingFleet } from '../../support/rotatingFleet.ts';
import { TD } from '../ca/support.ts';

const MESH = 'mesh: { trustDomain: shop.example }\nservices: { web: {} }\n';
const WEB = 'prod/web/a';
const CA = { subject: 'CN=x', serial: '01', notBefore: 0, notAfter: 4_000_000_000_000, fingerprint: 'ab' };

describe('signet ca rotate', () => {
  let test: TestControl;
  let fleet: RotatingFleet;
  let server: AdminOf;
  let knows: { node: string; anchors: readonly string[] | undefined }[];
  let away: { node: string; lastSeen: number }[];
  let anchors: () => readonly string[];
  let told = 0;

  beforeEach(async () => {
    test = await TestControl.start(MESH);
    fleet = await RotatingFleet.start();
    await fleet.connect(WEB);
    const { clock, store } = { clock: fleet.clock, store: memoryStore() };
    const { channel } = await openAuthority({ store, trustDomain: TD, now: clock.now() });
    anchors = () => anchorNames(channel.anchor());
    [knows, away, told] = [
      [
        { node: WEB, anchors: anchors() },
        { node: 'prod/early/a', anchors: undefined },
      ],
      [],
      0,
    ];
    server = await startAdminOf(test, {
      loop: fleet.loop,
      describe: fleet.authority.describe,
      channel: channelRotation({
        clock,
        log: { info: () => {}, warn: () => {}, error: () => {} },
        authority: channel,
        sidecars: () => knows,
        away: () => away,
        onAnchors: () => {
          told += 1;
        },
      }),
    });
  });
  afterEach(async () => {
    await fleet.loop.close();
    await server.close();
    await test.close();
  });

  const rotate = (...args: readonly string[]): Promise<CliResult> => server.run('ca', 'rotate', ...args);
  const ok = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await rotate(...args);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    return stdout;
  };
  const refused = async (code: number, words: RegExp, ...args: readonly string[]): Promise<void> => {
    const answer = await rotate(...args);
    assert.deepEqual([answer.code, answer.stdout], [code, '']);
    assert.match(answer.stderr, words);
    assert.match(answer.stderr, /^signet: [^\n]+\n$/);
  };

  it('shows what a rotation would do and whom it would wait for, and changes nothing', async () => {
    await fleet.connect('prod/gone/a');
    fleet.disconnect('prod/gone/a');
    const text = await ok();
    assert.match(text, /^no rotation is running; the active root is [0-9a-f]{32}/);
    assert.match(text, / 1 distribute .*\n {2}2 issue .*\n {2}3 retire /);
    assert.match(
      text,
      /1 connected sidecars, and waits at most for 1:\n {2}prod\/gone\/a is away; its certificate lives until/,
    );
    assert.match(text, /nothing was changed: `signet ca rotate --yes` begins it\n$/);
    assert.match(await ok('--intermediate'), /`signet ca rotate --intermediate --yes` begins it/);
    assert.equal(fleet.step(), 'none');
    OUTPUTS['ca rotate']?.parse(JSON.parse(await ok('-o', 'json')));
  });

  it('begins with --yes, shows each step and for whom it waits, and the reason', async () => {
    await fleet.turn(WEB, 'deaf');
    const begun = await ok('--yes', '--reason', 'it is spring');
    assert.match(
      begun,
      /^rotation [0-9a-f]{8} of the root from [0-9a-f]{8} to [0-9a-f]{8}, since \S+: it is spring\n {2}→ distribute/,
    );
    await fleet.clock.advance(5_000);
    assert.match(await ok(), /waits for 1:\n {6}prod\/web\/a has not ACKed the bundle with the new root\n {2}· issue/);
    const json = JSON.parse(await ok('-o', 'json'));
    OUTPUTS['ca rotate']?.parse(json);
    assert.deepEqual(
      [json.rotation.step, json.rotation.waitingFor[0].node, json.rotation.waitingFor[0].until],
      ['distribute', WEB, null],
    );
    const status = await server.run('ca', 'status');
    assert.match(
      status.stdout,
      /rotation of the root at its step distribute, waits for 1 sidecar: `signet ca rotate` says more/,
    );
    await refused(1, /is at its step distribute: let it end, or `signet ca rotate --abort`/, '--yes');
  });

  it('pauses, goes on and goes back, each refused where there is nothing to do so with', async () => {
    for (const verb of ['--pause', '--resume', '--abort']) await refused(1, /no rotation is running/, verb);
    await ok('--yes');
    assert.match(
      await ok('--pause'),
      /^rotation \S+ of the root from [0-9a-f]{8} to [0-9a-f]{8}, PAUSED, since .*\n(.*\n)* {2}it does nothing until `signet ca rotate --resume`\n$/,
    );
    assert.doesNotMatch(await ok('--resume'), /PAUSED/);
    assert.match(await ok('--abort', '--reason', 'no'), /^the rotation was dropped; the active root is /);
    assert.equal(fleet.step(), 'none');
  });

  it('of a compromised root asks for --yes, and says with 2 that nothing was changed', async () => {
    const { code, stdout, stderr } = await rotate('--compromised');
    assert.equal(code, 2);
    assert.match(stdout, /a rotation of a compromised root:\n {2}1 distribute/);
    assert.equal(
      stderr,
      'signet: nothing was changed: say --yes to taint the root and replace every certificate now\n',
    );
    assert.equal(fleet.step(), 'none');
    await ok('--compromised', '--yes');
    assert.equal(fleet.step(), 'compromise distribute');
  });

  it('of a compromised root says what becomes of the rotation that runs, and of which root', async () => {
    await ok('--yes');
    const { from = '', to = '' } = fleet.authority.rotation.plan() ?? {};
    const { code, stdout } = await rotate('--compromised');
    assert.equal(code, 2);
    assert.ok(stdout.includes(`away from a compromised root: ${from.slice(0, 8)} is tainted`), stdout);
    assert.ok(
      stdout.includes(`if it is the key of ${to.slice(0, 8)} that is in other hands, \`signet ca rotate --abort\``),
    );
    assert.match(await ok('--compromised', '--yes', '--reason', 'found'), / of a compromised root from .*: found\n/);
    await refused(1, /is away from a compromised root: let it end/, '--compromised', '--yes');
    await refused(1, /there is no way back/, '--abort');
    assert.equal(fleet.authority.rotation.plan()?.to, to);
  });

  it('--wait follows it to its end, and exits with 1 if it was aborted', async () => {
    const follow = async (meanwhile: () => Promise<void>): Promise<CliResult> => {
      let over = false;
      const done = rotate('--yes', '--wait').finally(() => {
        over = true;
      });
      while (fleet.step() === 'none') await new Promise((resolve) => setTimeout(resolve, 5));
      await meanwhile();
      while (!over) {
        await fleet.clock.advance(1_000);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return done;
    };
    const good = await follow(async () => {});
    assert.equal(good.code, 0);
    assert.match(good.stderr, /^\S+Z (distribute|issue|retire) towards [0-9a-f]{8}/);
    assert.match(good.stdout, /^done: the active root is [0-9a-f]{32}, the active intermediate/);
    const bad = await follow(async () => {
      await fleet.until('root issue');
      await fleet.loop.abort('no');
    });
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /^it was aborted and went back: /);
  }).timeout(10_000);

  it('is what /metrics tells, too', async () => {
    const registry = new Registry();
    watchRotation(registry, () => fleet.loop.report());
    const lines = async () =>
      (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    assert.ok((await lines()).includes('signet_ca_rotation_waiting_sidecars 0'));
    assert.ok(!(await lines()).some((line) => line.startsWith('signet_ca_rotation_step{')));
    await fleet.turn(WEB, 'deaf');
    await ok('--yes');
    await ok('--pause');
    const running = await lines();
    for (const line of [
      'signet_ca_rotation_step{kind="root",step="distribute"} 1',
      'signet_ca_rotation_step{kind="root",step="issue"} 0',
      'signet_ca_rotation_paused 1',
      'signet_ca_rotation_waiting_sidecars 1',
      `signet_ca_rotation_step_since_timestamp_seconds ${fleet.clock.now() / 1000}`,
    ])
      assert.ok(running.includes(line), `${line} is not in ${running.join('\n')}`);
  });

  it('refuses flags that contradict each other with 2 and one sentence', async () => {
    for (const line of [
      '--intermediate --channel',
      '--compromised --intermediate',
      '--pause --resume',
      '--abort --yes',
      '--retire',
      '--force',
      '--channel --pause',
      '--channel --wait --yes',
      '--channel --force --yes',
      '--intermediate --abort',
      '--pause --wait',
      '-o yaml',
    ])
      await refused(2, /./, ...line.split(' '));
    for (const line of [
      '',
      '--channel',
      '--channel --yes',
      '--channel --abort',
      '--pause',
      '--resume',
      '--compromised',
    ])
      await refused(2, /--reason is kept of what/, '--reason', 'x', ...line.split(' ').filter(Boolean));
    for (const kind of ['--intermediate', '--compromised'])
      await refused(2, /--wait follows what runs; to begin with --\w+, say --yes, too/, kind, '--wait');
    await refused(2, /reason/, '--yes', '--reason', 'x'.repeat(201));
    await refused(2, /reason: must be one line/, '--yes', '--reason', 'a\nb');
    assert.equal(fleet.step(), 'none');
  });

  it('--channel: shows the anchors, begins, names who has the old one alone, and retires it only then', async () => {
    assert.match(await ok('--channel'), /^anchors of .*\n {2}[0-9a-f]{32} {2}active .*\nnothing was changed: /);
    for (const verb of ['--retire', '--abort'])
      await refused(1, /no (old anchor|rotation of the anchor)/, '--channel', verb);
    assert.equal(told, 0);
    const begun = await ok('--channel', '--yes');
    assert.match(begun, / old +until .*\n {2}[0-9a-f]{32} {2}active/);
    assert.match(
      begun,
      /holds the old anchor alone: 2\n {6}prod\/web\/a\n {6}prod\/early\/a\ninstances that are away, .*: 0\n/,
    );
    assert.equal(told, 1);
    await refused(
      1,
      /an old anchor of the channel is still there: `signet ca rotate --channel --retire` first/,
      '--channel',
      '--yes',
    );
    await refused(
      1,
      /these do not come back: 2 sidecars with it alone: prod\/web\/a, prod\/early\/a; give them /m,
      '--channel',
      '--retire',
    );
    knows = [{ node: WEB, anchors: anchors() }];
    away = [{ node: 'prod/off/a', lastSeen: 0 }];
    await refused(1, /1 instance away, who may come back with it: prod\/off\/a; /m, '--channel', '--retire');
    assert.equal(anchors().length, 2);
    away = [];
    assert.match(await ok('--channel', '--retire'), /\n {2}[0-9a-f]{32} {2}active .*\none anchor is left, /);
    assert.equal(anchors().length, 1);
  });

  it('--channel --abort goes back; --retire --force leaves behind who has the old one alone', async () => {
    const [first] = anchors();
    await ok('--channel', '--yes');
    assert.match(await ok('--channel', '--abort'), / active .*\n {2}[0-9a-f]{32} {2}old /);
    await ok('--channel', '--retire', '--force');
    assert.deepEqual(anchors(), [first]);
  });
});

describe('signet ca rotate --abort beside a signer of mesh.yaml', () => {
  it('says on stderr that it does not last, and what to do', async () => {
    const test = await TestControl.start(MESH);
    const signer = { name: 'the signer (test)', sign: 'leaves', away: undefined, asked: 1, failed: 0 } as const;
    const idle = idleRotation(() => assert.fail());
    const report = () => ({ ...IDLE, prepared: { kind: 'root', subject: 'CN=New' } as const });
    const describe = () => ({ trustDomain: TD, generation: 1, root: CA, intermediate: CA, slots: [] });
    const server = await startAdminOf(
      test,
      { ...idle, describe, loop: { ...idle.loop, report, abort: async () => {} } },
      signer,
    );
    try {
      const { code, stdout, stderr } = await server.run('ca', 'rotate', '--abort');
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^the rotation was dropped/);
      assert.match(stderr, /^! this does not last if the signer \(test\) signs with the new root/);
      assert.equal((await server.run('ca', 'rotate', '--abort', '-o', 'json')).stderr, '');
    } finally {
      await server.close();
      await test.close();
    }
  });
});

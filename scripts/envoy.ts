// `npm run envoy`: prints the path of the Envoy that Signet runs, fetching the pinned one where there is none.
// `-- --pinned` passes over $ENVOY_BIN and PATH, `--quiet` prints nothing but what takes time.
import { findEnvoy, pinnedEnvoy } from '../src/app/findEnvoy.ts';
import { messageOf } from '../src/lib/errors.ts';

try {
  const find = process.argv.includes('--pinned') ? pinnedEnvoy : findEnvoy;
  const { path, version, source } = find({ say: console.error });
  if (!process.argv.includes('--quiet')) {
    console.error(`Envoy ${version}, from ${source}`);
    console.log(path);
  }
} catch (thrown) {
  console.error(messageOf(thrown));
  process.exitCode = 1;
}

// Run by the crash test and its drill, and killed by them or by itself: DIR FROM [KILL-AT-COMMIT AFTER-MS]
import { writeSync } from 'node:fs';
import type { Store } from '../../src/lib/store.ts';
import { openLmdbStore } from '../../src/store/lmdbStore.ts';
import { runCaScript } from '../support/caScript.ts';

const [dir = '', from = '0', killAt, after = '0'] = process.argv.slice(2);
const disk = openLmdbStore(dir);
let commits = 0;
const store: Store = {
  ...disk,
  commit: (writes) => {
    commits += 1;
    const done = disk.commit(writes);
    // SIGKILL at once or while the disk is at work.
    if (commits === Number(killAt)) {
      if (Number(after) === 0) process.kill(process.pid, 'SIGKILL');
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(after));
    }
    return done;
  },
};
await runCaScript(store, { from: Number(from), to: Number.POSITIVE_INFINITY }, (line) => writeSync(1, `${line}\n`));

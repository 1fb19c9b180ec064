import { writeSync } from 'node:fs';
import { openLmdbStore } from '../../../src/store/lmdbStore.ts';

/** Run by the tests and killed by them: commits pairs for ever and says, after each commit, what is committed. */
const store = openLmdbStore(process.argv[2] ?? '');
writeSync(1, 'open\n');
for (let n = Number(process.argv[3]); process.argv[3] !== undefined; n++) {
  const value = Buffer.from(`${n}`.padEnd(500, '.'));
  await store.commit([
    { key: 'left', value },
    { key: 'right', value },
    { key: `n/${n}`, value },
  ]);
  writeSync(1, `${n}\n`);
}
setInterval(() => {}, 1000);

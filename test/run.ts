// `npm test` and its parts: runs the test files of the given folders in one mocha.
//
//   node --import tsx test/run.ts test/unit test/e2e [--grep TEXT]
//
// The last line is `N passed, N failed`, whatever happens: it is written when the process ends.
import { readdirSync, statSync, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { grep: { type: 'string', short: 'g' } },
});

const testFiles = (place: string): readonly string[] =>
  statSync(place).isFile()
    ? [resolve(place)]
    : readdirSync(place, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => resolve(join(place, name)))
        .sort();

const totals = { passed: 0, failed: 0, skipped: 0, ended: false };

process.on('exit', (code) => {
  // A run that did not come to its end, or had nothing to run, is a failure.
  const complete = totals.ended && totals.passed + totals.failed > 0;
  const failed = totals.failed + (!complete || (code !== 0 && totals.failed === 0) ? 1 : 0);
  if (failed > 0) process.exitCode = 1;
  const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
  writeSync(1, `${totals.passed} passed, ${failed} failed${skipped}\n`);
});

// So that what tests do at the exit of the process, such as ending others, is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1));

/** In so many processes; 0 stands for this one. */
const run = async (files: readonly string[], jobs: number): Promise<void> => {
  if (files.length === 0) return;
  const grep = values.grep === undefined ? {} : { grep: values.grep };
  const mocha = new Mocha({ timeout: 30_000, forbidOnly: true, jobs, ...grep });
  for (const file of files) mocha.addFile(file);
  if (jobs === 0) await mocha.loadFilesAsync();
  else mocha.parallelMode(true);
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve());
    runner.on('pass', () => {
      totals.passed += 1;
    });
    runner.on('fail', () => {
      totals.failed += 1;
    });
    runner.on('pending', () => {
      totals.skipped += 1;
    });
  });
};

/** These take minutes and use hardly any CPU: they wait for the first minute to be over, for certificates to end. */
const PATIENT = ['clientCertificate', 'departures', 'revokedIdentity'].map((name) =>
  resolve(`test/e2e/${name}.test.ts`),
);
const isPatient = (file: string): boolean => PATIENT.includes(file);

try {
  const files = positionals.flatMap(testFiles);
  if (files.length === 1) await run(files, 0);
  else {
    const isQuick = (file: string): boolean => !file.startsWith(`${resolve('test/e2e')}/`);
    await run(files.filter(isQuick), 3);
    const others = files.filter((file) => !isQuick(file));
    const busy = others.filter((file) => !isPatient(file));
    // The patient ones beside the busy ones, not between them (`claimLoopback` keeps all apart).
    await Promise.all([run(others.filter(isPatient), 1), run(busy, 2)]);
  }
  totals.ended = true;
} catch (thrown) {
  console.error(thrown);
  process.exitCode = 1;
}
// Handles that tests left open do not keep the run from ending.
process.exit();

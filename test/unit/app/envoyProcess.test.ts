import assert from 'node:assert/strict';
import { exitCodeOf, startChild } from '../../../src/app/envoyProcess.ts';

describe('the exit code of a command', () => {
  for (const [signal, code] of [
    ['TERM', 143],
    ['ABRT', 134],
    ['SEGV', 139],
    ['USR1', 138],
  ] as const) {
    it(`is ${code} after SIG${signal}, as in a shell`, async () => {
      const { ended } = startChild('sh', ['-c', `kill -${signal} $$`], { stdio: 'ignore' });
      assert.equal(exitCodeOf(await ended), code);
    });
  }

  it('is its own otherwise', async () => {
    assert.equal(exitCodeOf(await startChild('sh', ['-c', 'exit 7'], { stdio: 'ignore' }).ended), 7);
  });
});

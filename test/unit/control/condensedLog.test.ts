import assert from 'node:assert/strict';
import { newCondensedLog } from '../../../src/control/condensedLog.ts';
import { FakeClock } from '../../support/fakeClock.ts';

const setUp = () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const write = (level: string) => (fields: Readonly<Record<string, unknown>>, sentence: string) =>
    lines.push(`${level} ${fields.node} ${sentence}${fields.times === undefined ? '' : ` (${fields.times})`}`);
  const log = newCondensedLog(clock, { info: write('info'), warn: write('warn'), error: write('error') });
  const come = (node: string): void => log.say('info', { node, peer: '10.0.0.1' }, 'sidecar connected');
  return { clock, lines, log, come };
};

describe('the log of who comes and goes', () => {
  it('says a node that comes eight times a second in two lines a minute, the second with the count', async () => {
    const { clock, lines, come } = setUp();
    for (let times = 0; times < 8 * 60; times++) {
      come('prod/web/1');
      await clock.advance(125);
    }
    assert.deepEqual(lines, [
      'info prod/web/1 sidecar connected',
      'info prod/web/1 sidecar connected: 479 times more within a minute (479)',
    ]);
    come('prod/web/1');
    assert.equal(lines[2], 'info prod/web/1 sidecar connected');
  });

  it('keeps nodes and sentences apart, and says nothing more of what happened once', async () => {
    const { clock, lines, log, come } = setUp();
    come('prod/web/1');
    come('prod/web/2');
    log.say('warn', { node: 'prod/web/1' }, 'stream ended');
    await clock.advance(120_000);
    assert.deepEqual(lines, [
      'info prod/web/1 sidecar connected',
      'info prod/web/2 sidecar connected',
      'warn prod/web/1 stream ended',
    ]);
  });

  it('says at the end, and where ten thousand others came, what it only counted', () => {
    const { lines, log, come } = setUp();
    for (const node of ['a', 'a', 'b', 'b', 'b']) come(node);
    for (let i = 0; i < 9_999; i++) come(String(i));
    assert.deepEqual(lines.at(-1), 'info a sidecar connected: once more within a minute (1)');
    log.close();
    assert.deepEqual(lines.at(-1), 'info b sidecar connected: 2 times more within a minute (2)');
  });
});

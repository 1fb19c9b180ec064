import assert from 'node:assert/strict';
import { explainNack } from '../../../src/control/status.ts';

describe('a refusal in the words of a sidecar', () => {
  it('is one line that a terminal shows as it is', () => {
    const words = 'bad \u001b[2J\u001b]0;owned\u0007\u009b31m\u202e\r\n prod/payments/one  127.0.0.1';
    assert.equal(
      explainNack(words, [], []),
      'bad \\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{9b}31m\\u{202e} prod/payments/one  127.0.0.1',
    );
  });

  it('keeps the words of other languages', () => {
    assert.equal(explainNack('Datei „größe“ 文件', [], []), 'Datei „größe“ 文件');
  });
});

import assert from 'node:assert/strict';
import { type WaitOptions, waitForSigner } from '../../../src/app/waitForSigner.ts';
import type { MeshState } from '../../../src/control/meshSource.ts';
import { AppError } from '../../../src/lib/errors.ts';

describe('a first start that waits for its signer', () => {
  let events: string[];
  let why: () => string;
  let problem: MeshState['problem'];
  const options = (): WaitOptions => ({
    source: {
      reread: async () => void events.push('reread'),
      state: () => ({ problem }) as MeshState,
    },
    wait: async () => void events.push('wait'),
    openDoor: async (given) => {
      why = given;
      events.push('open');
      return { address: () => assert.fail(), close: async () => void events.push('close') };
    },
    log: { info: () => {}, warn: () => {}, error: (_fields, sentence) => void events.push(`log ${sentence}`) },
  });
  /** Fails with these in turn, then begins. */
  const failing = (...errors: readonly AppError[]): (() => Promise<string>) => {
    const left = [...errors];
    return async () => {
      const next = left.shift();
      if (next !== undefined) throw next;
      return 'begun';
    };
  };
  const failed = new AppError('signer_failed', 'the signer (x): it ended with 7');

  beforeEach(() => {
    events = [];
    problem = undefined;
  });

  it('opens no door where nothing is waited for, or something else is wrong', async () => {
    assert.equal(await waitForSigner(failing(), options()), 'begun');
    await assert.rejects(waitForSigner(failing(new AppError('ca_corrupt', 'no')), options()), { code: 'ca_corrupt' });
    assert.deepEqual(events, []);
  });

  it('opens one, looks at the file before it asks again, says each reason once and closes the door at the end', async () => {
    const resting = new AppError('signer_away', 'the signer (x) is asked again in 2 s');
    assert.equal(await waitForSigner(failing(failed, resting, failed), options()), 'begun');
    const [said, ...rest] = events;
    assert.match(
      said ?? '',
      /^log the mesh cannot begin before .*: the signer \(x\): it ended with 7; .* Mend the signer/,
    );
    assert.deepEqual(rest, ['open', ...Array(3).fill(['wait', 'reread']).flat(), 'close']);
    assert.match(
      why(),
      /\(the signer \(x\): it ended with 7\): mend the signer, [^:]* in mesh\.yaml, which is followed$/,
    );
  });

  it('says once that a save is not followed, and closes the door where the start fails in the end', async () => {
    problem = { since: 0, message: 'mesh.yaml has an error', diagnostics: [] };
    const corrupt = new AppError('ca_corrupt', 'no');
    await assert.rejects(waitForSigner(failing(failed, failed, corrupt), options()), { code: 'ca_corrupt' });
    assert.equal(
      events.filter((one) => one === 'log the saved file is not followed: mesh.yaml has an error').length,
      1,
    );
    assert.equal(events.at(-1), 'close');
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { signerQueue } from '../../../src/ca/external/signerQueue.ts';
import { HOUR, WEB } from './support.ts';

describe('the queue before a signer', () => {
  const ask = { csr: '', use: 'leaf', id: WEB, ttl: HOUR } as const;
  const clockOf = () => {
    const clock = { time: 1_000_000, waits: [] as number[] };
    const port = {
      now: () => clock.time,
      wait: async (delay: number) => {
        clock.waits.push(delay);
      },
    };
    return { clock, port };
  };

  it('lets four in at once, in turn, and twenty a second', async () => {
    const { clock, port } = clockOf();
    let inside = 0;
    let most = 0;
    const order: string[] = [];
    const remote = {
      name: 'it',
      origin: () => '',
      sign: async ({ csr }: { csr: string }) => {
        inside += 1;
        most = Math.max(most, inside);
        order.push(csr);
        await new Promise((done) => setImmediate(done));
        inside -= 1;
        return csr;
      },
    };
    const queue = signerQueue(remote, port, () => {});
    const names = Array.from({ length: 30 }, (_, n) => `${n}`);
    const answers = await Promise.all(names.map((csr) => queue.ask({ ...ask, csr }, async (pem) => pem)));
    assert.deepEqual([answers, most, [...order].sort((a, b) => Number(a) - Number(b))], [names, 4, names]);
    assert.equal(Math.max(...clock.waits), 29 * 50);
  });

  it('asks nobody for a while after a failure, twice as long after each, and says so', async () => {
    const { clock, port } = clockOf();
    let asked = 0;
    const told: string[] = [];
    const remote = {
      name: 'it',
      origin: () => '',
      sign: async () => {
        asked += 1;
        if (clock.time < 2_000_000) throw new Error('no');
        return 'yes';
      },
    };
    const queue = signerQueue(remote, port, (away) => told.push(away === undefined ? 'back' : 'away'));
    const once = () => queue.ask(ask, async (pem) => pem);
    await assert.rejects(once(), { code: 'signer_failed', message: 'it: no' });
    await assert.rejects(once(), { code: 'signer_away', message: /^it is asked again in 1 s, because it failed: no$/ });
    for (const pause of [1, 2, 4, 8, 16, 32, 60, 60]) {
      clock.time += pause * 1000;
      await assert.rejects(once(), { code: 'signer_failed' });
      clock.time -= 1;
      await assert.rejects(once(), { code: pause === 60 ? 'signer_away' : 'signer_away' });
      clock.time += 1;
    }
    assert.equal(asked, 9);
    clock.time = 2_000_000;
    assert.equal(await once(), 'yes');
    assert.deepEqual(told, ['away', 'back']);
    assert.equal(queue.status().away, undefined);
  });
});

import assert from 'node:assert/strict';
import { Gauge, Registry } from 'prom-client';
import { newScrape } from '../../../src/admin/scrape.ts';

/** Metrics that each take so long, ms, to be looked up; `looked` is told of each. */
const registryOf = (count: number, busy: number, looked: (name: string) => void = () => {}): Registry => {
  const registry = new Registry();
  for (let at = 0; at < count; at++) {
    const name = `metric_${at}`;
    new Gauge({
      name,
      help: 'A metric.',
      labelNames: ['of'] as const,
      registers: [registry],
      collect() {
        looked(name);
        const until = performance.now() + busy;
        while (performance.now() < until);
        this.set({ of: 'all' }, at);
      },
    });
  }
  return registry;
};

describe('a scrape', () => {
  it('is the text that the registry makes', async () => {
    const registry = registryOf(3, 0);
    assert.equal(await newScrape(registry)(), await registry.metrics());
  });

  it('lets others have their turns between metrics', async () => {
    let turns = 0;
    const count = (): void => {
      turns += 1;
      immediate = setImmediate(count);
    };
    let immediate = setImmediate(count);
    await newScrape(registryOf(10, 6))();
    clearImmediate(immediate);
    assert.ok(turns >= 9, `${turns}`);
  });

  it('ends before the next one begins, also when it fails', async () => {
    const looked: string[] = [];
    let fails = true;
    const registry = registryOf(3, 6, (name) => {
      looked.push(name);
      if (fails && name === 'metric_1') throw new Error('it cannot be told');
    });
    const scrape = newScrape(registry);
    const first = scrape();
    first.catch(() => {
      fails = false;
    });
    const others = [scrape(), scrape()];
    await assert.rejects(first, /it cannot be told/);
    await Promise.all(others);
    const all = ['metric_0', 'metric_1', 'metric_2'];
    assert.deepEqual(looked, ['metric_0', 'metric_1', ...all, ...all]);
  });
});

// `node --import` this: every time that the event loop stood still for more than 10 ms becomes a line in the file that
// STALLS_FILE names: when it ended (epoch milliseconds), how long it was, how much of it the main thread was on a processor.
import { appendFileSync, readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const TICK = 2;
const file = process.env.STALLS_FILE;

// Milliseconds on a processor: https://docs.kernel.org/scheduler/sched-stats.html
const onProcessor = () => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

if (isMainThread && file !== undefined) {
  let [last, cpu] = [performance.now(), onProcessor()];
  setInterval(() => {
    const [gap, used] = [performance.now() - last - TICK, onProcessor() - cpu];
    // Others share the cores: what they held up is no fault of this process.
    const busy = Math.min(gap, used);
    if (gap > 10) appendFileSync(file, `${JSON.stringify({ at: Date.now(), gap, busy })}\n`);
    [last, cpu] = [performance.now(), onProcessor()];
  }, TICK).unref();
}

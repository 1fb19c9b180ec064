// `node --import` this: every time that the event loop stood still for more than 10 ms becomes a line in the file that
// STALLS_FILE names: when it ended (epoch milliseconds), how long it was, how much of it this process was computing.
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const TICK = 2;
const file = process.env.STALLS_FILE;

if (isMainThread && file !== undefined) {
  let [last, cpu] = [performance.now(), process.cpuUsage()];
  setInterval(() => {
    const [gap, used] = [performance.now() - last - TICK, process.cpuUsage(cpu)];
    // Others share the cores: what they held up is no fault of this process.
    const busy = Math.min(gap, (used.user + used.system) / 1_000);
    if (gap > 10) appendFileSync(file, `${JSON.stringify({ at: Date.now(), gap, busy })}\n`);
    [last, cpu] = [performance.now(), process.cpuUsage()];
  }, TICK).unref();
}

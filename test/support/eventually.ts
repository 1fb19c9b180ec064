import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats `attempt` until it does not throw, and gives what it returned; at the deadline its last error (ms). */
export const eventually = async <T>(attempt: () => T | Promise<T>, within = 10_000, every = 40): Promise<T> => {
  const deadline = Date.now() + within;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() >= deadline) throw error;
    }
    await sleep(every);
  }
};

/** Waits until a moment (ms since the epoch). For promises about time itself, where there is no condition to await. */
export const untilMoment = async (moment: number): Promise<void> => {
  const wait = moment - Date.now();
  if (wait > 0) await sleep(wait);
};

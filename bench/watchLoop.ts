/** What one phase cost the event loop, milliseconds. */
export type Stalls = {
  readonly phase: string;
  /** The longest time without a turn of the event loop, and how much of it this process was computing. */
  readonly longest: number;
  readonly longestBusy: number;
  readonly over20: number;
  readonly over50: number;
};

const TICK = 2;

/** Counts how long timers are late. Other processes share the cores: `busy` is what this one itself computed meanwhile. */
export const watchLoop = (): {
  readonly phase: <T>(name: string, work: () => Promise<T>) => Promise<T>;
  readonly stop: () => readonly Stalls[];
} => {
  const phases: Stalls[] = [];
  let gaps: { readonly gap: number; readonly busy: number }[] = [];
  let [last, cpu] = [performance.now(), process.cpuUsage()];
  const tick = (): void => {
    const now = performance.now();
    const used = process.cpuUsage(cpu);
    const gap = now - last - TICK;
    if (gap > 10) {
      gaps.push({ gap, busy: Math.min(gap, (used.user + used.system) / 1_000) });
      if (process.env.STALLS)
        console.error(
          'STALL',
          Math.round((performance.timeOrigin + last) * 1000),
          Math.round((performance.timeOrigin + now) * 1000),
          gap.toFixed(1),
        );
    }
    [last, cpu] = [now, process.cpuUsage()];
    timer = setTimeout(tick, TICK);
  };
  let timer = setTimeout(tick, TICK);
  return {
    phase: async (name, work) => {
      gaps = [];
      const result = await work();
      const most = (pick: (of: (typeof gaps)[0]) => number): number => Math.round(Math.max(0, ...gaps.map(pick)));
      const over = (limit: number): number => gaps.filter(({ busy }) => busy > limit).length;
      const [longest, longestBusy] = [most(({ gap }) => gap), most(({ busy }) => busy)];
      phases.push({ phase: name, longest, longestBusy, over20: over(20), over50: over(50) });
      console.error(JSON.stringify(phases.at(-1)));
      return result;
    },
    stop: () => {
      clearTimeout(timer);
      return phases;
    },
  };
};

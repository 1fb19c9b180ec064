import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../src/lib/errors.ts';
import type { HostPort } from '../../src/lib/hostPort.ts';
import { type Call, call } from './http.ts';

export type LoadTotals = {
  readonly ok: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
};

export type Load = {
  readonly totals: () => LoadTotals;
  /** Lets every call under way end. */
  readonly stop: () => Promise<LoadTotals>;
};

export type LoadOptions = {
  readonly workers?: number;
  /** Pause of each worker after each call, ms. */
  readonly pause?: number;
  readonly expect?: number;
  /** Every call over a connection of its own. */
  readonly fresh?: boolean;
};

/** Calls without end on kept connections; whatever is not the expected status is a failure, counted by its kind. */
export const startLoad = (at: HostPort, what: Call, options: LoadOptions = {}): Load => {
  const { workers = 6, pause = 5, expect = 200, fresh = false } = options;
  const agent = new Agent({ keepAlive: !fresh, maxSockets: workers });
  const failures: Record<string, number> = {};
  let good = 0;
  let stopped = false;
  const once = async (): Promise<void> => {
    try {
      const { status, body } = await call(at, { ...what, agent });
      if (status === expect) good++;
      else count(`status ${status}: ${body.slice(0, 160)}`);
    } catch (error) {
      count(messageOf(error));
    }
  };
  const count = (kind: string): void => {
    failures[kind] = (failures[kind] ?? 0) + 1;
  };
  const work = async (): Promise<void> => {
    while (!stopped) {
      await once();
      await sleep(pause);
    }
  };
  const all = Promise.all(Array.from({ length: workers }, work));
  const totals = (): LoadTotals => {
    const failed = Object.values(failures).reduce((sum, n) => sum + n, 0);
    return { ok: good, failed, failures: { ...failures } };
  };
  return {
    totals,
    stop: async () => {
      stopped = true;
      await all;
      agent.destroy();
      return totals();
    },
  };
};

import type { FleetOptions, Order, Report, Seen } from './messages.ts';
import { type Child, startPeer } from './processes.ts';

/** Simulated sidecars in a process of their own. */
export type Simulated = Child & {
  /** Opens those from `from` to before `to`, all at once. */
  readonly open: (fleet: FleetOptions, from: number, to: number) => Promise<Report & { readonly kind: 'opened' }>;
  /** Ends and opens all streams at once; resolves when the last has asked. */
  readonly comeBack: () => Promise<void>;
  readonly watch: () => Promise<void>;
  /** What came since `watch`, once `expected` sidecars were sent something and it is quiet. */
  readonly collect: (expected: number, quiet?: number) => Promise<Seen>;
  readonly recorded: () => Promise<(Report & { readonly kind: 'recorded' })['responses']>;
  readonly close: () => Promise<void>;
};

export const startSimulated = (): Simulated => {
  const script = new URL('fleet.ts', import.meta.url);
  const peer = startPeer<Order, Report>(script, ['--import', 'tsx', '--max-old-space-size=4096']);
  const ask = async <K extends Report['kind']>(order: Order, kind: K): Promise<Report & { readonly kind: K }> => {
    const report = await peer.ask(order);
    if (report.kind === 'failed') throw new Error(report.message);
    if (report.kind !== kind) throw new Error(`${order.kind} was answered with ${report.kind}`);
    return report as Report & { readonly kind: K };
  };
  const done = async (order: Order): Promise<void> => void (await ask(order, 'done'));
  return {
    pid: peer.pid,
    stop: peer.stop,
    open: (fleet, from, to) => ask({ kind: 'open', fleet, from, to }, 'opened'),
    comeBack: () => done({ kind: 'return' }),
    watch: () => done({ kind: 'watch' }),
    collect: (expected, quiet = 400) => ask({ kind: 'collect', expected, quiet }, 'collected'),
    recorded: async () => (await ask({ kind: 'recorded' }, 'recorded')).responses,
    close: () => done({ kind: 'close' }),
  };
};

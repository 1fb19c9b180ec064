// A process of simulated sidecars, each with a TLS 1.3 connection, a token and a delta ADS stream of its own.
import { setTimeout as sleep } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import type { FleetOptions, Order, Report, Seen } from './messages.ts';
import { openSidecar, type Sidecar } from './sidecar.ts';

const WITHIN = 120_000;

/** Opens those of the last order, or opens them again. */
let openAll: (before: readonly Sidecar[]) => Sidecar[] = () => [];
let sidecars: Sidecar[] = [];
let lastAt = 0;
const ackedAt = new Map<number, number>();
const ackedOf = new Map<string, Map<number, number>>();
const recorded = new Map<string, Buffer[]>();
const count = { bytes: 0, responses: 0 };

const forget = (): void => {
  ackedAt.clear();
  ackedOf.clear();
  recorded.clear();
  count.bytes = 0;
  count.responses = 0;
};

const seen = (): Seen => {
  const byType = new Map([...ackedOf].map(([type, acked]) => [type, [...acked.values()]] as const));
  return { ackedAt: [...ackedAt.values()], byType, ...count };
};

const took = (index: number, bytes: Buffer, type: string): void => {
  lastAt = Date.now();
  ackedAt.set(index, lastAt);
  ackedOf.set(type, (ackedOf.get(type) ?? new Map<number, number>()).set(index, lastAt));
  count.bytes += bytes.length;
  count.responses += 1;
  // Copied: it is a part of a larger chunk.
  if (index === 0) recorded.set(type, [...(recorded.get(type) ?? []), Buffer.from(bytes)]);
};

const opener = ({ sidecars: all, anchorPem, trustDomain, ...fleet }: FleetOptions, from: number, to: number) => {
  const anchor = createSecureContext({ ca: anchorPem, minVersion: 'TLSv1.3' });
  return (before: readonly Sidecar[]): Sidecar[] =>
    all.slice(from, to).map((one, index) => {
      const [namespace, service] = one.nodeId.split('/');
      const secrets = [`spiffe://${trustDomain}/ns/${namespace}/sa/${service}`, `spiffe://${trustDomain}`];
      const held = before[index]?.held;
      const onResponse = (bytes: Buffer, type: string): void => took(index, bytes, type);
      return openSidecar({ ...fleet, ...one, anchor, secrets, onResponse, ...(held === undefined ? {} : { held }) });
    });
};

const collect = async (expected: number, quiet: number): Promise<void> => {
  const from = Date.now();
  while (ackedAt.size < expected || Date.now() - lastAt < quiet) {
    if (Date.now() - from > WITHIN) throw new Error(`${ackedAt.size} of ${expected} sidecars were sent something`);
    await sleep(20);
  }
};

const obey = async (order: Order): Promise<Report> => {
  switch (order.kind) {
    case 'open': {
      forget();
      openAll = opener(order.fleet, order.from, order.to);
      const startedAt = Date.now();
      const opened = openAll([]);
      sidecars = [...sidecars, ...opened];
      const readyAt = await Promise.all(opened.map(({ ready }) => ready));
      return { kind: 'opened', startedAt, readyAt, ...seen() };
    }
    case 'return': {
      for (const { close } of sidecars) close();
      forget();
      sidecars = openAll(sidecars);
      await Promise.all(sidecars.map(({ asked }) => asked));
      return { kind: 'done', at: Date.now() };
    }
    case 'watch':
      forget();
      return { kind: 'done', at: Date.now() };
    case 'collect':
      await collect(order.expected, order.quiet);
      return { kind: 'collected', ...seen() };
    case 'recorded':
      return { kind: 'recorded', responses: new Map(recorded) };
    case 'close':
      for (const { close } of sidecars) close();
      sidecars = [];
      return { kind: 'done', at: Date.now() };
  }
};

process.on('message', (order: Order) => {
  const failed = (error: Error): Report => ({ kind: 'failed', message: error.message });
  obey(order)
    .catch(failed)
    .then((report) => process.send?.(report));
});
// Nothing outlives the benchmark, however it ended.
process.on('disconnect', () => process.exit(0));

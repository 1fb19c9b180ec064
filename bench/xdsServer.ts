// `src/xds` alone, with its ledger: what it costs to bring one resource to many streams, without mesh, identity and plans.
import { secret } from '../src/lib/secret.ts';
import { afterEvent, type SidecarRecord } from '../src/xds/ledger.ts';
import { type Resource, type Snapshot, TYPE } from '../src/xds/resource.ts';
import { type StreamEvent, type StreamId, startXdsServer, type XdsServer } from '../src/xds/server.ts';
import type { LimitOrder, LimitReport } from './messages.ts';

const records = new Map<StreamId, SidecarRecord>();
let server: XdsServer | undefined;
let pushes = 0;

const resource = (name: string, size: number): Resource => {
  pushes += 1;
  return { name, version: `v${pushes}`, any: Buffer.alloc(size, pushes) };
};

const listeners = new Map([['outbound/15001', resource('outbound/15001', 1000)]]);
const snapshotOf = (bytes: number): Snapshot =>
  new Map([
    [TYPE.cds, new Map()],
    [TYPE.lds, listeners],
    [TYPE.rds, new Map([['outbound', resource('outbound', bytes)]])],
  ]);
let snapshot = snapshotOf(1000);

const onEvent = (event: StreamEvent): void => {
  const { stream } = event;
  const record = afterEvent(records.get(stream), event);
  if (record === undefined) records.delete(stream);
  else records.set(stream, record);
  if (event.kind === 'opened') server?.publish(stream, snapshot);
};

const listen = async ({ chainPem, keyPem }: LimitOrder & { readonly kind: 'listen' }): Promise<void> => {
  server = await startXdsServer({
    listen: { host: '127.0.0.1', port: 0 },
    tls: { chainPem, keyPem: secret(keyPem) },
    authenticate: async () => ({ ok: true, value: undefined }),
    admit: async () => ({ ok: true, value: undefined }),
    onEvent,
  });
  process.send?.({ port: server.address().port } satisfies LimitReport);
};

process.on('message', (order: LimitOrder) => {
  if (order.kind === 'listen') void listen(order);
  else {
    snapshot = snapshotOf(order.response.length);
    for (const stream of records.keys()) server?.publish(stream, snapshot);
    process.send?.({ port: 0 } satisfies LimitReport);
  }
});
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));

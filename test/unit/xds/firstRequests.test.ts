import assert from 'node:assert/strict';
import { ok } from '../../../src/lib/result.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { type StreamId, startXdsServer, type XdsServer } from '../../../src/xds/server.ts';
import { openAds } from '../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../support/controlPlaneTls.ts';
import { until } from '../../support/until.ts';
import { snapshotOf } from './conversation.ts';

describe('the first request of a stream', function () {
  this.timeout(20_000);
  let server: XdsServer;
  const admitted = new Map<string, StreamId>();

  /** How long after its admission a node is answered whose first request names so many clusters. */
  const answered = async (nodeId: string, names: number): Promise<number> => {
    const trust = { anchorPem: tls.chainPem, serverId: SERVER_ID };
    const client = openAds({ address: server.address(), ...trust, token: 'good', nodeId });
    try {
      client.ask(TYPE.cds, { subscribe: ['a', ...Array.from({ length: names }, (_, i) => `prod/orders/${i}`)] });
      await until(() => admitted.has(nodeId));
      const began = performance.now();
      server.publish(admitted.get(nodeId) as StreamId, snapshotOf({ cds: { a: '1' } }));
      await client.next();
      return performance.now() - began;
    } finally {
      client.close();
    }
  };

  before(async () => {
    server = await startXdsServer({
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls,
      authenticate: async () => ok(undefined),
      admit: async (_caller, node, id) => {
        admitted.set(node.id, id);
        return ok(undefined);
      },
      onEvent: () => {},
      limits: { requestBurst: 1, requestMillisPerSecond: 30 },
    });
    await answered('prod/web/warm', 0);
  });
  after(() => server.close(200));

  it('is charged to its node, which waits for the answer; other nodes do not', async () => {
    const [greedy, other] = await Promise.all([answered('prod/web/greedy', 20_000), answered('prod/web/1', 0)]);
    assert.ok(greedy > 50 && other < greedy, `${greedy} ms, ${other} ms`);
  });
});

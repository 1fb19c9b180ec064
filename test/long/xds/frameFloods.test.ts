import assert from 'node:assert/strict';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { err, ok } from '../../../src/lib/result.ts';
import type { Limits } from '../../../src/xds/limits.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { type DropReason, type StreamId, startXdsServer, type XdsServer } from '../../../src/xds/server.ts';
import { ADS, type AdsClient, encodeRequest, openAds } from '../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../support/controlPlaneTls.ts';
import { callOf, frame, PREFACE } from '../../support/http2Frames.ts';
import { until } from '../../support/until.ts';
import { snapshotOf } from '../../unit/xds/conversation.ts';

const pause = (span: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, span));

/** How little a test allows beside requests. */
const FEW: Partial<Limits> = { otherBytes: 512 * 1024 };

describe('HTTP/2 frames that are no calls', function () {
  this.timeout(20_000);
  let server: XdsServer;
  let dropped: DropReason[];
  let admitted: Map<string, StreamId>;
  let closers: (() => void)[];

  const start = async (limits: Partial<Limits>): Promise<void> => {
    server = await startXdsServer<string>({
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls,
      authenticate: async ({ authorization }) =>
        authorization === 'Bearer good' ? ok('good') : err({ code: 'unauthenticated', message: 'no such token' }),
      admit: async (_caller, node, id) => {
        admitted.set(node.id, id);
        return ok(undefined);
      },
      onEvent: () => {},
      onDropped: (reason) => dropped.push(reason),
      limits,
    });
  };
  const join = async (nodeId: string): Promise<AdsClient> => {
    const trust = { anchorPem: tls.chainPem, serverId: SERVER_ID };
    const client = openAds({ address: server.address(), ...trust, token: 'good', nodeId });
    closers.push(client.close);
    client.ask(TYPE.cds);
    await until(() => admitted.has(nodeId));
    return client;
  };
  const push = (nodeId: string, content: string): void =>
    server.publish(admitted.get(nodeId) as StreamId, snapshotOf({ cds: { a: content } }));

  /** The connection of a sidecar that was admitted, to write frames on. */
  const rawSidecar = async (nodeId: string): Promise<TLSSocket> => {
    const { host, port } = server.address();
    const anyName = { ca: tls.chainPem, checkServerIdentity: () => undefined };
    const socket = connectTls({ host, port, ALPNProtocols: ['h2'], ...anyName });
    closers.push(() => socket.destroy());
    socket.on('error', () => {});
    socket.resume();
    const first = encodeRequest(TYPE.cds, {}, { id: nodeId });
    const head = Buffer.alloc(5);
    head.writeUInt32BE(first.length, 1);
    const call = frame(1, 0x04, 1, callOf(`/${ADS}/DeltaAggregatedResources`, ['Bearer good']));
    const request = frame(0, 0, 1, Buffer.concat([head, first]));
    socket.write(Buffer.concat([Buffer.from(PREFACE), frame(4, 0, 0, Buffer.alloc(0)), call, request]));
    await until(() => admitted.has(nodeId));
    return socket;
  };

  beforeEach(() => {
    [dropped, closers] = [[], []];
    admitted = new Map();
  });
  afterEach(async () => {
    for (const close of closers) close();
    await server.close(200);
  });

  for (const [what, one] of [
    ['PING', frame(6, 0, 0, Buffer.alloc(8))],
    ['PING that answers nothing', frame(6, 1, 0, Buffer.alloc(8))],
    ['PRIORITY', frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
    ['WINDOW_UPDATE', frame(8, 0, 0, Buffer.from([0, 0, 0, 1]))],
    ['frames that nobody knows', frame(77, 0, 0, Buffer.alloc(0))],
    ['SETTINGS', frame(4, 0, 0, Buffer.alloc(0))],
    ['DATA without data', frame(0, 0, 1, Buffer.alloc(0))],
    ['RST_STREAM', frame(3, 0, 3, Buffer.from([0, 0, 0, 8]))],
  ] as const) {
    it(`cut a sidecar, however well proven, that floods us with ${what}; others are served meanwhile`, async () => {
      await start(FEW);
      const other = await join('prod/web/2');
      const socket = await rawSidecar('prod/web/1');
      const flood = Buffer.concat(Array.from({ length: 5_000 }, () => one));
      const pour = (): void => {
        if (!socket.destroyed) socket.write(flood, () => setImmediate(pour));
      };
      pour();
      push('prod/web/2', 'new');
      await other.next();
      await until(() => socket.destroyed);
      await until(() => server.unproven() === 0);
    });
  }

  it('are not what a sidecar asks for, however much that is', async () => {
    await start({ ...FEW, requestMillisPerSecond: 10_000 });
    const client = await join('prod/web/1');
    const names = Array.from({ length: 1_000 }, (_, i) => `prod/orders/${i}/${'x'.repeat(200)}`);
    for (let round = 0; round < 12; round += 1) {
      client.ask(TYPE.eds, { subscribe: names });
      client.ask(TYPE.eds, { unsubscribe: names });
      await pause(60);
    }
    await pause(600);
    assert.deepEqual(dropped, []);
  });
});

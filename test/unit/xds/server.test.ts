import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import { Client, credentials as grpcCredentials, status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { Any } from '../../../src/gen/google/protobuf/any.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { secret } from '../../../src/lib/secret.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import {
  type NodeIdentity,
  type StreamEvent,
  type StreamId,
  startXdsServer,
  type XdsServer,
  type XdsServerOptions,
} from '../../../src/xds/server.ts';
import { type AdsClient, type AdsClientOptions, openAds } from '../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../support/controlPlaneTls.ts';
import { selfSigned } from '../../support/selfSigned.ts';
import { until } from '../../support/until.ts';
import { type Names, snapshotOf } from './conversation.ts';

type Caller = { readonly may: string };

describe('the xDS server', function () {
  this.timeout(15_000);

  let server: XdsServer;
  let events: StreamEvent[];
  let admitted: { id: StreamId; node: NodeIdentity }[];
  let clients: AdsClient[];
  let peers: string[];

  const start = async (changes: Partial<XdsServerOptions<Caller>> = {}): Promise<void> => {
    server = await startXdsServer<Caller>({
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls,
      authenticate: async ({ authorization, peer }) => {
        peers.push(peer.address);
        return authorization === 'Bearer good'
          ? ok({ may: 'prod/web/' })
          : err({ code: 'unauthenticated', message: 'no such token' });
      },
      admit: async (caller, node, id) => {
        if (!node.id.startsWith(caller.may)) return err({ code: 'permission_denied', message: 'another identity' });
        admitted.push({ id, node });
        return ok(undefined);
      },
      onEvent: (event) => events.push(event),
      ...changes,
    });
  };

  const open = (changes: Partial<AdsClientOptions> = {}): AdsClient => {
    const options = { anchorPem: tls.chainPem, serverId: SERVER_ID, token: 'good', nodeId: 'prod/web/1', ...changes };
    const client = openAds({ address: server.address(), ...options });
    clients.push(client);
    return client;
  };

  const publish = async (names: Names): Promise<void> => {
    await until(() => admitted.length > 0);
    for (const { id } of admitted) server.publish(id, snapshotOf(names));
  };

  const kinds = (): readonly string[] => events.map((e) => e.kind);

  beforeEach(async () => {
    [events, admitted, clients, peers] = [[], [], [], []];
    await start();
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await server.close(200);
  });

  it('serves an authenticated sidecar, and pushes what changes', async () => {
    const client = open({ metadata: { address: '10.0.0.7' } });
    client.ask(TYPE.cds);
    await publish({ cds: { a: '1' } });
    const first = await client.next();
    assert.deepEqual(
      first.resources.map((r) => `${r.name}@${r.version}`),
      ['a@1'],
    );
    client.ack(first);
    await until(() => events.some((e) => e.kind === 'progress' && e.progress === 'settled'));
    await publish({ cds: { a: '2' } });
    const second = await client.next();
    assert.deepEqual(
      second.resources.map((r) => `${r.name}@${r.version}`),
      ['a@2'],
    );
    client.ack(second);
    await until(() => kinds().filter((k) => k === 'progress').length === 3);
    assert.deepEqual(admitted[0]?.node, {
      id: 'prod/web/1',
      cluster: '',
      metadata: { address: '10.0.0.7' },
      userAgent: 'envoy/1.40.0',
    });
    assert.deepEqual(peers, ['127.0.0.1']);
    assert.deepEqual(kinds(), [
      'opened',
      'asked',
      'sent',
      'acked',
      'progress',
      'progress',
      'sent',
      'acked',
      'progress',
    ]);
    client.close();
    await until(() => kinds().at(-1) === 'closed');
  });

  it('refuses a stream without a good token as UNAUTHENTICATED, before it reads a byte of it', async () => {
    for (const token of ['bad', '']) {
      const client = open({ token });
      client.askRaw(Buffer.from('no request at all'));
      assert.deepEqual(await client.ended, { code: status.UNAUTHENTICATED, details: 'no such token' });
    }
    assert.deepEqual(kinds(), ['refused', 'refused']);
    assert.deepEqual(admitted, []);
  });

  it('refuses a node that its token is not for as PERMISSION_DENIED', async () => {
    const client = open({ nodeId: 'prod/payments/1' });
    client.ask(TYPE.cds);
    assert.deepEqual(await client.ended, { code: status.PERMISSION_DENIED, details: 'another identity' });
  });

  it('refuses a node id that changes on a live stream as PERMISSION_DENIED', async () => {
    const client = open();
    client.ask(TYPE.cds);
    client.ask(TYPE.lds, { nodeId: 'prod/web/1' });
    await publish({ cds: { a: '1' } });
    await client.next();
    client.ask(TYPE.rds, { nodeId: 'prod/web/2' });
    assert.equal((await client.ended).code, status.PERMISSION_DENIED);
    assert.deepEqual(kinds().slice(-2), ['refused', 'closed']);
  });

  it('refuses an empty node id as PERMISSION_DENIED: it agrees with no credential', async () => {
    const client = open({ nodeId: '' });
    client.ask(TYPE.cds);
    assert.equal((await client.ended).code, status.PERMISSION_DENIED);
  });

  it('ends the stream of malformed bytes as INVALID_ARGUMENT, and no other', async () => {
    const [good, bad, late] = [open(), open(), open()];
    good.ask(TYPE.cds);
    bad.askRaw(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1]));
    late.ask(TYPE.cds);
    late.askRaw(Buffer.from([0x07]));
    for (const client of [bad, late]) assert.equal((await client.ended).code, status.INVALID_ARGUMENT);
    await publish({ cds: { a: '1' } });
    assert.equal((await good.next()).resources.length, 1);
  });

  it('refuses a request of more than 4 MiB, the first or a later one, and tells of it once', async () => {
    const [first, later] = [open(), open()];
    first.askRaw(Buffer.alloc(4 * 1024 * 1024 + 1));
    assert.equal((await first.ended).code, status.RESOURCE_EXHAUSTED);
    later.ask(TYPE.cds);
    await publish({ cds: { a: '1' } });
    await later.next();
    later.askRaw(Buffer.alloc(4 * 1024 * 1024 + 1));
    assert.equal((await later.ended).code, status.RESOURCE_EXHAUSTED);
    await until(() => kinds().includes('closed'));
    const refusals = events.flatMap((e) => (e.kind === 'refused' ? [e.refusal.code] : []));
    assert.deepEqual(refusals, ['resource_exhausted', 'resource_exhausted']);
  });

  it('tells of no refusal when a client hangs up', async () => {
    const client = open();
    client.ask(TYPE.cds);
    await until(() => kinds().includes('opened'));
    client.close();
    await until(() => kinds().includes('closed'));
    assert.ok(!kinds().includes('refused'));
  });

  it('sends nothing to who comes back with everything', async () => {
    const client = open();
    client.ask(TYPE.cds, { initialResourceVersions: { a: '1' } });
    client.ask(TYPE.eds, { subscribe: ['a'], initialResourceVersions: { a: '1' } });
    await publish({ cds: { a: '1' }, eds: { a: '1' } });
    await until(() => events.some((e) => e.kind === 'progress' && e.progress === 'settled'));
    assert.ok(!kinds().includes('sent'));
    await publish({ cds: { a: '1', b: '1' }, eds: { a: '1' } });
    assert.deepEqual(
      (await client.next()).resources.map((r) => r.name),
      ['b'],
    );
  });

  it('reports a NACK with the words of the client and what it was about', async () => {
    const client = open();
    client.ask(TYPE.lds);
    await publish({ lds: { inbound: '1' } });
    client.nack(await client.next(), 'cannot bind 0.0.0.0:8080: Address already in use');
    await until(() => kinds().includes('nacked'));
    const nacked = events.find((e) => e.kind === 'nacked');
    const sent = events.find((e) => e.kind === 'sent');
    assert.ok(nacked?.kind === 'nacked' && sent?.kind === 'sent');
    assert.equal(nacked.error, 'cannot bind 0.0.0.0:8080: Address already in use');
    assert.equal(nacked.version, sent.version);
    assert.deepEqual(nacked.resources, [{ name: 'inbound', version: '1' }]);
    await until(() => events.some((e) => e.kind === 'progress' && e.progress === 'refused'));
  });

  it('gives the same answer for a foreign name as for an unknown one', async () => {
    const client = open();
    client.ask(TYPE.sds, { subscribe: ['mine', 'spiffe://shop.example/ns/prod/sa/payments', 'nobody'] });
    await publish({ sds: { mine: '1' } });
    const answer = await client.next();
    assert.deepEqual(
      answer.resources.map((r) => r.name),
      ['mine'],
    );
    assert.deepEqual(answer.removed, ['spiffe://shop.example/ns/prod/sa/payments', 'nobody']);
  });

  it('lets a client that does not acknowledge wait no longer than its patience', async () => {
    await server.close(0);
    await start({ holdFor: 50 });
    const client = open();
    client.ask(TYPE.cds);
    client.ask(TYPE.lds);
    await publish({ cds: { a: '1' }, lds: { l: '1' } });
    await client.next();
    client.ack(await client.next());
    await publish({ cds: { a: '2' }, lds: { l: '2' } });
    assert.deepEqual(
      (await client.next()).resources.map((r) => r.name),
      ['l'],
    );
  });

  it('can be published to from within admit and from within an event', async () => {
    await server.close(0);
    await start({
      admit: async (_caller, _node, id) => {
        server.publish(id, snapshotOf({ cds: { a: '1' } }));
        return ok(undefined);
      },
      onEvent: (event) => {
        if (event.kind === 'acked') server.publish(event.stream, snapshotOf({ cds: { a: '2' } }));
      },
    });
    const client = open({ autoAck: true });
    client.ask(TYPE.cds);
    await until(() => client.held.get(TYPE.cds)?.get('a')?.version === '2');
  });

  it('ends one stream on demand', async () => {
    const [one, other] = [open(), open({ nodeId: 'prod/web/2' })];
    one.ask(TYPE.cds);
    await until(() => admitted.length === 1);
    other.ask(TYPE.cds);
    await until(() => admitted.length === 2);
    server.end(admitted[0]?.id as StreamId, { code: 'unauthenticated', message: 'revoked \ud800' });
    assert.equal((await one.ended).code, status.UNAUTHENTICATED);
    await publish({ cds: { a: '1' } });
    assert.equal((await other.next()).resources.length, 1);
    assert.deepEqual(one.queued(), []);
  });

  it('tells of the end of a stream that was hung up while it was being admitted', async () => {
    let admit = (): void => {};
    await server.close(0);
    await start({ admit: () => new Promise((resolve) => (admit = () => resolve(ok(undefined)))) });
    const client = open();
    client.ask(TYPE.cds);
    await until(() => peers.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    admit();
    await until(() => kinds().length === 2);
    assert.deepEqual(kinds(), ['opened', 'closed']);
  });

  it('refuses as unavailable when those who decide fail, and says nothing of why', async () => {
    await server.close(0);
    await start({ authenticate: () => Promise.reject(new Error('store: /secret/path')) });
    const client = open();
    client.ask(TYPE.cds);
    const ended = await client.ended;
    assert.equal(ended.code, status.UNAVAILABLE);
    assert.doesNotMatch(ended.details, /secret/);
  });

  it('ends a stream that never sends a request', async () => {
    await server.close(0);
    await start({ limits: { streamWithin: 50 } });
    const client = open();
    assert.equal((await client.ended).code, status.INVALID_ARGUMENT);
  });

  it('keeps serving others while a client does not read', async () => {
    const any = Any.encode({ typeUrl: TYPE.cds, value: Buffer.alloc(2 * 1024 * 1024) }).finish();
    const big = new Map([[TYPE.cds, new Map([['big', { name: 'big', version: '1', any }]])]]);
    const { port } = server.address();
    const slow = open();
    slow.ask(TYPE.cds);
    await until(() => admitted.length === 1);
    // The whole process of the client cannot be stopped here; a stream that is paused is the same to the server.
    slow.pause();
    for (let i = 0; i < 70; i += 1) server.publish(admitted[0]?.id as StreamId, big);
    const quick = open({ nodeId: 'prod/web/2', address: { host: '127.0.0.1', port } });
    quick.ask(TYPE.cds);
    await until(() => admitted.length === 2);
    server.publish(admitted[1]?.id as StreamId, snapshotOf({ cds: { a: '1' } }));
    assert.equal((await quick.next()).resources.length, 1);
  });

  it('speaks TLS 1.3 only', async () => {
    const { port } = server.address();
    const attempt = (version: 'TLSv1.2' | 'TLSv1.3'): Promise<string> =>
      new Promise((resolve) => {
        const options = { host: '127.0.0.1', port, ca: tls.chainPem, checkServerIdentity: () => undefined };
        const socket = connect({ ...options, minVersion: version, maxVersion: version, ALPNProtocols: ['h2'] }, () => {
          resolve(socket.getProtocol() ?? 'none');
          socket.destroy();
        });
        socket.on('error', (error) => resolve(error.message));
      });
    assert.equal(await attempt('TLSv1.3'), 'TLSv1.3');
    assert.match(await attempt('TLSv1.2'), /protocol version/);
  });

  it('hangs up on who negotiates no HTTP/2', async () => {
    const { port } = server.address();
    const socket = connect({ host: '127.0.0.1', port, ca: tls.chainPem, checkServerIdentity: () => undefined });
    socket.on('error', () => {}).resume();
    await until(() => socket.destroyed);
  });

  it('shows new connections a renewed certificate', async () => {
    const renewed = selfSigned(SERVER_ID);
    server.renewTls({ chainPem: renewed.chainPem, keyPem: secret(renewed.keyPem) });
    const client = open({ anchorPem: renewed.chainPem });
    client.ask(TYPE.cds);
    await publish({ cds: { a: '1' } });
    assert.equal((await client.next()).resources.length, 1);
    assert.throws(() => server.renewTls({ chainPem: 'no', keyPem: secret('no') }), { code: 'tls_invalid' });
  });

  it('tells anybody its health', async () => {
    const { port } = server.address();
    const channel = grpcCredentials.createSsl(Buffer.from(tls.chainPem), null, null, {
      checkServerIdentity: () => undefined,
    });
    const client = new Client(`127.0.0.1:${port}`, channel, { 'grpc.use_local_subchannel_pool': 1 });
    const { path, requestSerialize, responseDeserialize } = healthService.Check as (typeof healthService)[string];
    const answer = await new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service: '' }, (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });
    client.close();
    assert.deepEqual(answer, { status: 'SERVING' });
  });

  it('says which address it cannot have', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const options = {
      tls: serverTls,
      authenticate: async () => ok({ may: '' }),
      admit: async () => ok(undefined),
      onEvent: () => {},
    };
    await assert.rejects(startXdsServer({ ...options, listen: { host: '127.0.0.1', port } }), {
      code: 'listen_failed',
      message: new RegExp(`127.0.0.1:${port}: .*EADDRINUSE`),
    });
    taken.close();
  });

  it('closes with open streams and leaves nothing behind', async () => {
    const client = open();
    client.ask(TYPE.cds);
    await until(() => kinds().includes('opened'));
    await server.close(1000);
    const { code, details } = await client.ended;
    assert.deepEqual([code, details], [status.UNAVAILABLE, 'the control plane shuts down']);
    assert.equal(kinds().at(-1), 'closed');
  });
});

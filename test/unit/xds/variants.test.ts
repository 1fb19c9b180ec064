import assert from 'node:assert/strict';
import { status } from '@grpc/grpc-js';
import { err, ok } from '../../../src/lib/result.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { type StreamEvent, type StreamId, startXdsServer, type XdsServer } from '../../../src/xds/server.ts';
import type { AdsClient, AdsClientOptions, AdsResponse } from '../../support/adsClient.ts';
import { SERVER_ID, serverTls, tls } from '../../support/controlPlaneTls.ts';
import { openSotw } from '../../support/sotwClient.ts';
import { until } from '../../support/until.ts';
import { type Names, snapshotOf } from './conversation.ts';

/** `cds a 1`, as `conversation.ts` makes them. */
const contents = (r: AdsResponse): readonly string[] => r.resources.map(({ value }) => value.toString());

describe('the xDS server, in state of the world', function () {
  this.timeout(15_000);

  let server: XdsServer;
  let events: StreamEvent[];
  let admitted: StreamId[];
  let clients: AdsClient[];

  beforeEach(async () => {
    [events, admitted, clients] = [[], [], []];
    server = await startXdsServer<string>({
      listen: { host: '127.0.0.1', port: 0 },
      tls: serverTls,
      authenticate: async ({ authorization }) =>
        authorization === 'Bearer good'
          ? ok('prod/web/')
          : err({ code: 'unauthenticated', message: 'no such token' } as const),
      admit: async (may, node, id) => {
        if (!node.id.startsWith(may)) return err({ code: 'permission_denied', message: 'another identity' });
        admitted.push(id);
        return ok(undefined);
      },
      onEvent: (event) => events.push(event),
    });
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await server.close(200);
  });

  const options = (changes: Partial<AdsClientOptions> = {}): AdsClientOptions => {
    const who = { token: 'good', nodeId: 'prod/web/1', ...changes };
    return { address: server.address(), anchorPem: tls.chainPem, serverId: SERVER_ID, ...who };
  };
  const open = (changes: Partial<AdsClientOptions> = {}, method?: string): AdsClient => {
    const client = openSotw(options(changes), method);
    clients.push(client);
    return client;
  };
  const publish = async (names: Names): Promise<void> => {
    await until(() => admitted.length > 0);
    for (const id of admitted) server.publish(id, snapshotOf(names));
  };
  const kinds = (): readonly string[] => events.map((e) => e.kind);

  it('serves, pushes what changes, leaves out what is gone, and tells of the same events as in delta', async () => {
    const client = open();
    client.ask(TYPE.cds);
    await publish({ cds: { a: '1', b: '1' } });
    const first = await client.next();
    assert.deepEqual(contents(first), ['cds a 1', 'cds b 1']);
    client.ack(first);
    await until(() => events.some((e) => e.kind === 'progress' && e.progress === 'settled'));
    await publish({ cds: { a: '2', b: '1' } });
    const second = await client.next();
    assert.deepEqual(contents(second), ['cds a 2', 'cds b 1']);
    assert.notEqual(second.version, first.version);
    client.ack(second);
    await publish({ cds: { b: '1' } });
    const third = await client.next();
    assert.deepEqual(contents(third), ['cds b 1']);
    client.ack(third);
    await until(() => kinds().filter((k) => k === 'acked').length === 3);
    await until(() => events.some((e) => e.kind === 'progress' && e.progress === 'settled'));
    const round = ['sent', 'acked'];
    assert.deepEqual(
      kinds().filter((k) => k !== 'progress'),
      ['opened', 'asked', ...round, ...round, ...round],
    );
    const sent = events.filter((e) => e.kind === 'sent');
    const acked = events.filter((e) => e.kind === 'acked');
    assert.deepEqual(
      sent.map((e) => e.version),
      acked.map((e) => e.version),
    );
    assert.deepEqual(
      sent.map((e) => e.removed),
      [[], [], ['a']],
    );
  });

  it('reports a NACK, sends no refused version again and goes on with the others', async () => {
    const client = open();
    client.ask(TYPE.lds);
    await publish({ lds: { l: '1' } });
    client.ack(await client.next());
    await until(() => kinds().includes('acked'));
    await publish({ lds: { l: '2' } });
    client.nack(await client.next(), 'bad port');
    await until(() => kinds().includes('nacked'));
    const nacked = events.find((e) => e.kind === 'nacked');
    assert.ok(nacked?.kind === 'nacked');
    assert.deepEqual([nacked.error, nacked.resources], ['bad port', [{ name: 'l', version: '2' }]]);
    await publish({ lds: { l: '2', m: '1' } });
    assert.deepEqual(contents(await client.next()), ['lds l 1', 'lds m 1']);
  });

  it('sends no cluster to who comes back with the version of all, on another stream and with another node', async () => {
    const first = open();
    first.ask(TYPE.cds);
    await publish({ cds: { a: '1' } });
    const { version } = await first.next();
    const back = open({ nodeId: 'prod/web/2' });
    back.ask(TYPE.cds, { version });
    back.ask(TYPE.eds, { names: ['a', 'nobody'], version });
    await until(() => admitted.length === 2);
    await publish({ cds: { a: '1' }, eds: { a: '1' } });
    const answer = await back.next();
    assert.deepEqual([answer.type, contents(answer)], [TYPE.eds, ['eds a 1']]);
    back.ack(answer);
    await publish({ cds: { a: '2' }, eds: { a: '1' } });
    assert.deepEqual(contents(await back.next()), ['cds a 2']);
  });

  it('asks the same of credentials, nodes and bytes', async () => {
    const [unknown, foreign, malformed] = [open({ token: 'bad' }), open({ nodeId: 'prod/orders/1' }), open()];
    unknown.ask(TYPE.cds);
    foreign.ask(TYPE.cds);
    malformed.askRaw(Buffer.from([0x07]));
    assert.equal((await unknown.ended).code, status.UNAUTHENTICATED);
    assert.equal((await foreign.ended).code, status.PERMISSION_DENIED);
    assert.equal((await malformed.ended).code, status.INVALID_ARGUMENT);
    const changed = open();
    changed.ask(TYPE.cds);
    changed.ask(TYPE.lds, { nodeId: 'prod/web/2' });
    assert.equal((await changed.ended).code, status.PERMISSION_DENIED);
  });
});

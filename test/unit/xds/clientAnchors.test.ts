import assert from 'node:assert/strict';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { status } from '@grpc/grpc-js';
import { openAuthority } from '../../../src/ca/openAuthority.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { reveal } from '../../../src/lib/secret.ts';
import { parseTrustDomain, workloadId } from '../../../src/spiffe/spiffeId.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import { type StreamId, startXdsServer, type XdsServer } from '../../../src/xds/server.ts';
import type { ServerTls } from '../../../src/xds/tls.ts';
import { memoryStore } from '../../fakes/memoryStore.ts';
import { type AdsClient, openAds } from '../../support/adsClient.ts';
import { until } from '../../support/until.ts';
import { snapshotOf } from './conversation.ts';

const SERVER_ID = 'spiffe://shop.example/signet/control-plane';
const trustDomain = parseTrustDomain('shop.example') as never;
const WEB = workloadId(trustDomain, 'prod', 'web');

/** An authority of its own, as after a rotation of its roots. */
const authority = async () => {
  const { mesh, channel } = await openAuthority({ store: memoryStore(), trustDomain, now: Date.now() });
  const { chainPem, keyPem, serial } = mesh.issue(WEB, 3_600_000, Date.now());
  const { chainPem: serverChain, keyPem: serverKey } = channel.serverCredentials(Date.now());
  const clientAnchorsPem = mesh.trustBundle().authorities;
  const tls: ServerTls = { chainPem: serverChain, keyPem: serverKey, clientAnchorsPem };
  return { tls, clientAnchorsPem, anchorPem: channel.anchor(), serial, own: { chainPem, keyPem: reveal(keyPem) } };
};
type Authority = Awaited<ReturnType<typeof authority>>;

describe('the certificates of the xDS port', () => {
  let [a, b]: Authority[] = [];
  let server: XdsServer;
  let shown: (string | undefined)[];
  let streams: StreamId[];
  let clients: AdsClient[];

  before(async () => {
    [a, b] = [await authority(), await authority()];
  });
  beforeEach(async () => {
    [shown, streams, clients] = [[], [], []];
    assert.ok(a !== undefined);
    server = await startXdsServer<string>({
      listen: { host: '127.0.0.1', port: 0 },
      tls: a.tls,
      authenticate: async ({ certificate, authorization }) => {
        shown.push(certificate?.serial);
        const may = certificate?.spiffeId === WEB || authorization === 'Bearer good';
        return may ? ok('web') : err({ code: 'unauthenticated', message: 'who are you' });
      },
      admit: async (_caller, _node, stream) => {
        streams.push(stream);
        return ok(undefined);
      },
      onEvent: () => {},
    });
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await server.close(200);
  });

  const open = (anchor: Authority | undefined, own?: Authority): AdsClient => {
    const address = server.address();
    const anchorPem = anchor?.anchorPem ?? '';
    const credential = own === undefined ? { token: 'good' } : { certificate: own.own };
    const client = openAds({ address, anchorPem, serverId: SERVER_ID, nodeId: 'prod/web/1', ...credential });
    clients.push(client);
    client.ask(TYPE.cds);
    return client;
  };
  const serve = async (client: AdsClient, version: string): Promise<void> => {
    await until(() => streams.length > 0);
    for (const stream of streams) server.publish(stream, snapshotOf({ cds: { a: version } }));
    const response = await client.next();
    assert.equal(response.resources[0]?.version, version);
    client.ack(response);
  };

  it('are asked for and not demanded', async () => {
    await serve(open(a), '1');
    streams = [];
    await serve(open(a, a), '1');
    assert.deepEqual(shown, [undefined, a?.serial]);
  });

  it('are replaced at run time: a live stream goes on, a new connection sees the new one', async () => {
    const live = open(a);
    await serve(live, '1');
    assert.ok(b !== undefined);
    server.renewTls(b.tls);
    await serve(live, '2');
    assert.equal((await open(a).ended).code, status.UNAVAILABLE);
    streams = [];
    await serve(open(b), '1');
  });

  it('are held against the roots of the moment', async () => {
    const live = open(a, a);
    await serve(live, '1');
    assert.ok(a !== undefined && b !== undefined);
    // While roots rotate both are good, then the old one is not.
    server.renewTls({ ...a.tls, clientAnchorsPem: [...a.clientAnchorsPem, ...b.clientAnchorsPem] });
    streams = [];
    await serve(open(a, a), '1');
    streams = [];
    await serve(open(a, b), '1');
    server.renewTls({ ...a.tls, clientAnchorsPem: b.clientAnchorsPem });
    assert.equal((await open(a, a).ended).code, status.UNAUTHENTICATED);
    streams = [];
    await serve(open(a, b), '1');
  });

  it('are shown anew on every connection: a session that was kept proves nothing', async () => {
    const { port } = server.address();
    assert.ok(a !== undefined);
    const options: ConnectionOptions = {
      ...{ port, host: '127.0.0.1', ca: a.anchorPem, cert: a.own.chainPem, key: a.own.keyPem, ALPNProtocols: ['h2'] },
      checkServerIdentity: () => undefined,
    };
    const handshake = (session?: Buffer): Promise<TLSSocket> =>
      new Promise((resolve, reject) => {
        const socket = connect(session === undefined ? options : { ...options, session }, () => resolve(socket));
        socket.on('error', reject);
      });
    const first = await handshake();
    const tickets: Buffer[] = [];
    first.on('session', (session) => tickets.push(session));
    // What the server says first, tickets included, has come when its SETTINGS have.
    await new Promise((resolve) => first.once('data', resolve));
    const again = await handshake(tickets.at(-1) ?? first.getSession());
    assert.equal(again.isSessionReused(), false);
    for (const socket of [first, again]) socket.destroy();
  });
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect as http2Connect } from 'node:http2';
import { credentials, makeGenericClientConstructor } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { grpcApp, type HttpApp, http2App, httpApp } from '../support/apps.ts';
import { call } from '../support/http.ts';
import type { TestMesh } from '../support/mesh.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { converse } from '../support/tcp.ts';
import { webSocket } from '../support/webSocket.ts';
import { useWorld } from '../support/world.ts';

type Targets = {
  readonly orders: number;
  readonly metrics: number;
  readonly h2: number;
  readonly grpc: number;
  readonly audit: number;
};

const meshYaml = (t: Targets): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: { uses: { orders: 9001, closed: null } }
      orders:
        ports: { http: 8080:${t.orders}/http, metrics: 8081:${t.metrics}/http }
        allow: [web]
      closed: { ports: [8080:${t.orders}/http] }
      hidden: { ports: [8080:${t.orders}/http] }
      rpc:
        ports: { grpc: 8080:${t.grpc}/grpc, h2: 8081:${t.h2}/http2 }
        allow: [web]
  infra:
    services:
      audit: { ports: [8080:${t.audit}/http], allow: [prod/web] }
`;

describe('the outbound port', function () {
  this.timeout(60_000);
  const world = useWorld();
  let [orders, metrics, audit, h2]: HttpApp[] = [];
  let mesh: TestMesh;
  let web: Sidecar;

  before(async () => {
    orders = world.own(
      await httpApp('orders', ({ url, body, method, headers }, response) => {
        const digest = createHash('sha256').update(body).digest('hex');
        response.writeHead(200, { 'x-app': 'orders', 'x-digest': digest });
        response.end(url.startsWith('/echo') ? body : JSON.stringify({ method, url, host: headers.host }));
      }),
    );
    [metrics, audit, h2] = [
      world.own(await httpApp('metrics')),
      world.own(await httpApp('audit')),
      world.own(await http2App('h2')),
    ];
    const grpc = world.own(await grpcApp());
    const targets = { orders: orders.port, metrics: metrics.port, audit: audit.port, h2: h2.port, grpc: grpc.port };
    mesh = await world.mesh(meshYaml(targets));
    [web] = await world.sidecars(mesh, 'prod/web', 'prod/orders', 'prod/closed', 'prod/rpc', 'infra/audit');
    for (const host of ['orders', 'orders:8081', 'audit.infra', 'rpc:8081']) await web.callUntil(200, { host });
    await web.callUntil(403, { host: 'closed' });
  });

  const appOf = async (host: string): Promise<string | number> => {
    const { status, headers } = await web.call({ host });
    return status === 200 ? String(headers['x-app']) : status;
  };

  it('takes NAME, NAME.NAMESPACE and NAME.NAMESPACE.mesh, each with and without a port', async () => {
    for (const name of ['orders', 'orders.prod', 'orders.prod.mesh', 'ORDERS.Prod']) {
      assert.equal(await appOf(name), 'orders', name);
      assert.equal(await appOf(`${name}:8080`), 'orders', name);
      assert.equal(await appOf(`${name}:8081`), 'metrics', name);
    }
    assert.equal(await appOf('audit.infra'), 'audit');
    assert.equal(await appOf('audit.infra.mesh:8080'), 'audit');
    assert.equal(await appOf('audit'), 404);
    assert.equal(await appOf('orders:9999'), 404);
  });

  it('is an HTTP proxy: a request in absolute form goes to the name in it', async () => {
    const answer = await web.call({ host: 'ignored.example', path: 'http://orders/what?q=1' });
    assert.equal(answer.headers['x-app'], 'orders');
    assert.equal(orders?.last().url, '/what?q=1');
  });

  it('answers 404 with the same hint for a name that does not exist and for one that is not its business', async () => {
    const missing = await web.call({ host: 'no-such-name' });
    const hidden = await web.call({ host: 'hidden' });
    assert.equal(missing.status, 404);
    assert.match(missing.body, /uses/);
    assert.deepEqual([hidden.status, hidden.body], [missing.status, missing.body]);
    const names = (all: object): string[] => Object.keys(all).sort();
    assert.deepEqual(names(hidden.headers), names(missing.headers));
  });

  it('lets a call that `uses` names and nobody permits reach the server, which refuses it', async () => {
    const answer = await web.call({ host: 'closed' });
    assert.equal(answer.status, 403);
    assert.ok((await web.envoy.stat(/^cluster\.prod\/closed\/8080\.ssl\.handshake$/)) > 0);
  });

  it('refuses CONNECT', async () => {
    const before = orders?.requests.length;
    const { status } = await web.call({ method: 'CONNECT', path: 'orders:8080', host: 'orders:8080' });
    assert.ok(status >= 400 && status < 500, String(status));
    assert.equal(orders?.requests.length, before);
  });

  it('refuses a request without a Host or with two, for two readers may read two names', async () => {
    const before = orders?.requests.length;
    const bad = ['', 'Host: \r\n', 'Host: orders\r\nHost: closed\r\n', 'Host: orders\r\nHost: orders\r\n'];
    // Where names choose the way, and where everything goes to one upstream, whose sidecar refuses it.
    for (const at of [web.outbound, { host: web.address, port: 9001 }]) {
      for (const hosts of bad) {
        const { received } = await converse(at, `GET / HTTP/1.1\r\n${hosts}\r\n`, { timeout: 10_000, enough: 12 });
        assert.match(received.toString(), /^HTTP\/1\.1 40[04] /, JSON.stringify([at, hosts, received.toString()]));
      }
    }
    assert.equal(orders?.requests.length, before);
  });

  it('has local ports for what `uses` gives one, whatever the Host says', async () => {
    const at = { host: web.address, port: 9001 };
    for (const host of ['orders', 'localhost:9001', 'anything.example']) {
      assert.equal((await call(at, { host, path: '/local' })).headers['x-app'], 'orders');
    }
    assert.equal(orders?.last().url, '/local');
  });

  it('listens on its own address alone', async () => {
    await assert.rejects(call({ host: world.address(99), port: 15_001 }, { host: 'orders' }), /ECONNREFUSED/);
  });

  it('carries large bodies both ways unchanged', async () => {
    const body = Buffer.alloc(8_000_000, 'abcdefghij');
    const answer = await web.call({ host: 'orders', method: 'POST', path: '/echo', body, timeout: 20_000 });
    assert.equal(answer.headers['x-digest'], createHash('sha256').update(body).digest('hex'));
    assert.equal(answer.body.length, body.length);
  });

  it('carries a WebSocket through both sidecars', async () => {
    const socket = world.own(await webSocket(web.outbound, 'orders'));
    assert.equal(await socket.say('one direction'), 'one direction');
    assert.equal(await socket.say('and the other'), 'and the other');
    const seen = orders?.requests.find(({ method }) => method === 'UPGRADE');
    assert.equal(seen?.headers['x-forwarded-client-cert'], 'URI=spiffe://shop.example/ns/prod/sa/web');
  });

  it('speaks HTTP/2 by prior knowledge', async () => {
    const session = http2Connect(`http://${web.outbound.host}:${web.outbound.port}`);
    try {
      const status = await new Promise((resolve, reject) => {
        const stream = session.request({ ':path': '/h2', ':authority': 'rpc:8081' });
        stream.on('response', (headers) => resolve(headers[':status']));
        stream.on('error', reject);
        stream.end();
      });
      assert.equal(status, 200);
      assert.equal(h2?.last().headers['x-forwarded-client-cert'], 'URI=spiffe://shop.example/ns/prod/sa/web');
    } finally {
      session.destroy();
    }
  });

  it('carries gRPC: unary calls, streams and status codes', async () => {
    const Health = makeGenericClientConstructor(healthService, 'Health');
    const client = new Health(`${web.outbound.host}:${web.outbound.port}`, credentials.createInsecure(), {
      'grpc.default_authority': 'rpc:8080',
    });
    try {
      const check = (name: string): Promise<unknown> =>
        new Promise((resolve, reject) => {
          client.check?.({ service: name }, (error: Error | null, answer: unknown) =>
            error === null ? resolve(answer) : reject(error),
          );
        });
      assert.deepEqual(await check('ready'), { status: 'SERVING' });
      await assert.rejects(check('unknown'), /NOT_FOUND/);
      const watched = await new Promise((resolve, reject) => {
        const stream = client.watch?.({ service: 'ready' });
        stream.on('data', (answer: unknown) => {
          resolve(answer);
          stream.cancel();
        });
        stream.on('error', reject);
      });
      assert.deepEqual(watched, { status: 'SERVING' });
    } finally {
      client.close();
    }
  });
});

import assert from 'node:assert/strict';
import { httpApp } from '../support/apps.ts';
import { type Relay, relay, tlsRecords } from '../support/relay.ts';
import type { Sidecar } from '../support/sidecar.ts';
import { useWorld } from '../support/world.ts';

// `orders` is called through somebody who writes down every byte, on a strict port and on one without mTLS.
const meshYaml = (target: number, middle: string): string => `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      orders:
        ports:
          http: 8080:${target}/http
          plain: { port: 8082, target: "127.0.0.1:${target}", protocol: http, mtls: disable }
        endpoints: [{ address: ${middle} }]
        allow:
          - { from: web, to: { ports: [http] } }
          - { from: anyone, to: { ports: [plain] } }
`;

const WORDS = {
  path: 'word-in-the-path',
  query: 'word-in-the-query',
  header: 'word-in-a-header',
  body: 'word-in-the-body',
  answer: 'word-in-the-answer',
};
const SPOKEN = [...Object.values(WORDS), 'orders', 'prod', 'spiffe', 'shop.example', 'HTTP/1.1', 'content-type'];

describe('the wire between two sidecars', function () {
  this.timeout(60_000);
  const world = useWorld();
  let [strict, plain]: Relay[] = [];
  let web: Sidecar;

  const speak = async (host: string): Promise<void> => {
    const answer = await web.call({
      host,
      method: 'POST',
      path: `/${WORDS.path}?q=${WORDS.query}`,
      headers: { 'x-word': WORDS.header },
      body: WORDS.body.repeat(100),
    });
    assert.equal(answer.status, 200);
    assert.equal(answer.body, WORDS.answer);
  };

  before(async () => {
    const app = world.own(await httpApp('orders', (_seen, response) => void response.end(WORDS.answer)));
    const mesh = await world.mesh(meshYaml(app.port, world.address(50)));
    const orders = await world.sidecar(mesh, 'prod/orders');
    const through = (port: number): Promise<Relay> =>
      relay({ host: world.address(50), port }, { host: orders.address, port });
    [strict, plain] = [world.own(await through(8080)), world.own(await through(8082))];
    web = await world.sidecar(mesh, 'prod/web');
    await web.callUntil(200, { host: 'orders' });
    await web.callUntil(200, { host: 'orders:8082' });
  });

  it('carries TLS records and nothing else, and no word of what is said', async () => {
    await speak('orders');
    const recordings = strict?.recordings() ?? [];
    assert.ok(recordings.length >= 2);
    for (const bytes of recordings) {
      const types = tlsRecords(bytes);
      assert.ok(types !== undefined && types.length > 0, 'not TLS records');
      assert.ok(types.includes(23), 'no application data');
      for (const word of SPOKEN) assert.equal(bytes.indexOf(word), -1, `${word} can be read on the wire`);
    }
  });

  it('would show every word without mTLS, so the recording is no empty proof', async () => {
    await speak('orders:8082');
    const bytes = Buffer.concat([...(plain?.recordings() ?? [])]);
    for (const word of Object.values(WORDS)) assert.ok(bytes.includes(word), word);
    assert.ok((plain?.recordings() ?? []).every((one) => tlsRecords(one) === undefined));
  });
});

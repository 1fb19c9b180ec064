import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { keySpellings } from '../support/keySpellings.ts';
import type { TestMesh } from '../support/mesh.ts';
import {
  decodeReflected,
  decodeStatus,
  encodeQuestion,
  encodeStatusRequest,
  FETCH,
  type OperatorClient,
  openOperator,
  REFLECT,
  STREAM,
  statusOf,
} from '../support/operatorClient.ts';
import { createToken, stranger, TYPE_URL, takeCertificate } from '../support/workload.ts';
import { useWorld } from '../support/world.ts';

const MESH = `
mesh: { trustDomain: shop.example }
namespaces:
  prod:
    services:
      web: {}
      orders: { ports: [8080:3000/http], allow: [web] }
`;

const ORDERS = 'spiffe://shop.example/ns/prod/sa/orders';

describe('client status of real sidecars', function () {
  this.timeout(60_000);
  const world = useWorld();
  let mesh: TestMesh;
  let anchorPem: string;
  const clients: { readonly close: () => void }[] = [];
  const operator = (token: string): OperatorClient => {
    const client = openOperator({ address: mesh.xds, anchorPem, authorization: [`Bearer ${token}`] });
    clients.push(client);
    return client;
  };
  const adminToken = async (): Promise<string> => (await readFile(join(mesh.data, 'admin.token'), 'utf8')).trim();

  before(async () => {
    mesh = await world.mesh(MESH);
    ({ anchorPem } = await stranger(mesh, 'prod/web'));
    await world.sidecars(mesh, 'prod/web', 'prod/orders');
  });
  after(() => {
    for (const client of clients) client.close();
  });

  it('is SYNCED for everything that an Envoy took', async () => {
    const admin = operator(await adminToken());
    await eventually(async () => {
      const [answer] = await admin.call(FETCH, [encodeStatusRequest({})]);
      const told = decodeStatus(answer ?? Buffer.alloc(0));
      assert.deepEqual(told.map(({ node }) => node.id.split('/').slice(0, 2).join('/')).sort(), [
        'prod/orders',
        'prod/web',
      ]);
      for (const { node, generic_xds_configs: configs } of told) {
        assert.equal(node.user_agent_name, 'envoy');
        const types = new Set(configs.map(({ type_url }) => type_url));
        for (const type of [TYPE_URL.cds, TYPE_URL.lds, TYPE_URL.rds, TYPE_URL.sds]) assert.ok(types.has(type), type);
        for (const { name, type_url, version_info, xds_config, config_status, client_status } of configs) {
          assert.deepEqual([config_status, client_status], ['SYNCED', 'ACKED'], `${node.id} ${name}`);
          assert.match(version_info, /^[\w-]{16}$/);
          assert.equal(xds_config?.type_url, type_url === TYPE_URL.sds ? undefined : type_url);
        }
      }
    });
  });

  it('names the line of mesh.yaml behind what is refused', async () => {
    const token = await createToken(mesh, 'prod/orders');
    const refuser = (await stranger(mesh, 'prod/orders')).connect('prod/orders/refuser', token);
    clients.push(refuser);
    refuser.ask(TYPE_URL.lds);
    refuser.nack(await refuser.next(), 'inbound/8080: no such thing');
    const admin = operator(await adminToken());
    const node_matchers = [{ node_id: { exact: 'prod/orders/refuser' } }];
    await eventually(async () => {
      const [answer] = await admin.call(STREAM, [encodeStatusRequest({ node_matchers })]);
      const [told] = decodeStatus(answer ?? Buffer.alloc(0));
      const listener = told?.generic_xds_configs.find(({ name }) => name === 'inbound/8080');
      assert.deepEqual([listener?.config_status, listener?.client_status], ['ERROR', 'NACKED']);
      assert.match(listener?.error_state?.details ?? '', /^inbound\/8080: no such thing \(from .*mesh\.yaml:7\)$/);
    });
    refuser.close();
  });

  it('holds no private key, in no spelling', async () => {
    const { keyPem } = await takeCertificate(mesh, 'prod/orders', ORDERS);
    const admin = operator(await adminToken());
    const answers = [
      ...(await admin.call(FETCH, [encodeStatusRequest({})])),
      ...(await admin.call(STREAM, [encodeStatusRequest({})])),
    ];
    assert.ok(answers.every(({ length }) => length > 1_000));
    const spellings = [...keySpellings(keyPem), Buffer.from('PRIVATE KEY')];
    for (const answer of answers) for (const spelling of spellings) assert.equal(answer.includes(spelling), false);
  });

  it('is for holders of the admin token: a join token, a wrong one or none is not enough', async () => {
    const join = await createToken(mesh, 'prod/web');
    for (const token of [join, 'wrong', '']) {
      for (const [method, message] of [
        [FETCH, encodeStatusRequest({})],
        [REFLECT, encodeQuestion({ list_services: '' })],
      ] as const) {
        assert.match(await statusOf(operator(token).call(method, [message])), /^UNAUTHENTICATED .*the admin token$/);
      }
    }
    const [listed] = await operator(await adminToken()).call(REFLECT, [encodeQuestion({ list_services: '' })]);
    assert.equal(decodeReflected(listed ?? Buffer.alloc(0)).list_services_response?.service.length, 10);
    assert.equal((await mesh.status()).sidecars.length, 2);
  });
});

import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { Secret } from '../../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret.ts';
import { Any } from '../../../src/gen/google/protobuf/any.ts';
import { MOST_UNKNOWN_NAMES } from '../../../src/xds/clientStatus.ts';
import { type Resource, type Snapshot, TYPE } from '../../../src/xds/resource.ts';
import type { AdsClient } from '../../support/adsClient.ts';
import { keySpellings } from '../../support/keySpellings.ts';
import {
  type ClientTold,
  type ConfigTold,
  decodeStatus,
  encodeStatusRequest,
  FETCH,
  STREAM,
  statusOf,
} from '../../support/operatorClient.ts';
import { until } from '../../support/until.ts';
import { type Names, resource, snapshotOf } from './conversation.ts';
import { type OperatorsWorld, startOperatorsWorld } from './operatorsWorld.ts';

describe('client status', function () {
  this.timeout(15_000);
  let world: OperatorsWorld;

  beforeEach(async () => {
    world = await startOperatorsWorld();
  });
  afterEach(() => world.close());

  /** A sidecar that subscribed to clusters and was published this. */
  const join = async (node: string, snapshot: Snapshot | Names | undefined, type: string = TYPE.cds) => {
    const client = world.sidecar(node);
    client.ask(type);
    await until(() => world.streamOf(node) !== undefined);
    if (snapshot !== undefined) publish(node, snapshot);
    return client;
  };
  const publish = (node: string, snapshot: Snapshot | Names): void => {
    const stream = world.streamOf(node);
    assert.ok(stream);
    world.server.publish(stream, snapshot instanceof Map ? snapshot : snapshotOf(snapshot as Names));
  };
  const fetchBytes = async (request: object = {}): Promise<Buffer> => {
    const [answer, ...more] = await world.operator().call(FETCH, [encodeStatusRequest(request)]);
    assert.ok(answer);
    assert.deepEqual(more, []);
    return answer;
  };
  const fetched = async (request: object = {}): Promise<readonly ClientTold[]> =>
    decodeStatus(await fetchBytes(request));
  const told = async (node: string, name: string): Promise<ConfigTold | undefined> =>
    (await fetched()).find((c) => c.node.id === node)?.generic_xds_configs.find((config) => config.name === name);
  const show = (config: ConfigTold | undefined): readonly unknown[] => [
    config?.config_status,
    config?.client_status,
    config?.version_info,
    config?.xds_config === null ? null : config?.xds_config.type_url,
  ];
  /** Waits until all that was done is in the session: requests are read in order. */
  const becomes = async (node: string, name: string, expected: readonly unknown[]): Promise<void> => {
    await until(async () => show(await told(node, name))[0] === expected[0]);
    assert.deepEqual(show(await told(node, name)), expected);
  };

  it('answers without any sidecar, on both methods', async () => {
    assert.deepEqual(await fetched(), []);
    const answers = await world.operator().call(STREAM, [encodeStatusRequest({}), encodeStatusRequest({})]);
    assert.deepEqual(answers.map(decodeStatus), [[], []]);
  });

  it('tells who a sidecar is', async () => {
    await join('prod/web/1', undefined);
    const [client] = await fetched();
    const { id, user_agent_name, user_agent_version } = client?.node ?? {};
    assert.deepEqual([id, user_agent_name, user_agent_version], ['prod/web/1', 'envoy', '1.40.0']);
  });

  it('tells what was sent and not ACKed as STALE, and after the ACK as SYNCED with content', async () => {
    const client = await join('prod/web/1', { cds: { a: '1' } });
    const response = await client.next();
    await becomes('prod/web/1', 'a', ['STALE', 'REQUESTED', '', null]);
    client.ack(response);
    await becomes('prod/web/1', 'a', ['SYNCED', 'ACKED', '1', TYPE.cds]);
    const synced = await told('prod/web/1', 'a');
    assert.deepEqual(synced?.xds_config?.value, Any.decode(resource('cds', 'a', '1').any).value);
    assert.notEqual(synced?.last_updated, null);
    assert.equal(synced?.error_state, null);
  });

  it('tells a refused resource as ERROR: what stays in force, what was refused, why and when', async () => {
    const client = await join('prod/web/1', { cds: { a: '1', b: '1' } });
    client.ack(await client.next());
    await until(() => world.events.some(({ kind }) => kind === 'acked'));
    publish('prod/web/1', { cds: { a: '2', b: '1' } });
    client.nack(await client.next(), 'a is no good');
    await becomes('prod/web/1', 'a', ['ERROR', 'NACKED', '1', null]);
    const error = (await told('prod/web/1', 'a'))?.error_state;
    assert.deepEqual([error?.details, error?.version_info], ['a is no good', '2']);
    assert.deepEqual(error?.failed_configuration?.value, Any.decode(resource('cds', 'a', '2').any).value);
    assert.notEqual(error?.last_update_attempt, null);
    await becomes('prod/web/1', 'b', ['SYNCED', 'ACKED', '1', TYPE.cds]);
  });

  it('tells what waits for its turn, or for the first snapshot, as NOT_SENT', async () => {
    const client = await join('prod/web/1', { cds: { a: '1' } });
    await client.next();
    publish('prod/web/1', { cds: { a: '2' } });
    await becomes('prod/web/1', 'a', ['NOT_SENT', 'REQUESTED', '', null]);
    const early = await join('prod/web/2', undefined);
    early.ask(TYPE.eds, { subscribe: ['x'] });
    await becomes('prod/web/2', 'x', ['NOT_SENT', 'REQUESTED', '', null]);
  });

  it('tells what a client never asked for as NOT_SENT and UNKNOWN', async () => {
    await join('prod/web/1', { cds: { a: '1' }, rds: { r: '1' } });
    await becomes('prod/web/1', 'r', ['NOT_SENT', 'UNKNOWN', '', null]);
  });

  it('tells what there is not as DOES_NOT_EXIST once the client took that answer', async () => {
    const client = await join('prod/web/1', { cds: {} });
    client.ack(await client.next());
    client.ask(TYPE.eds, { subscribe: ['nowhere'] });
    const answer = await client.next();
    await becomes('prod/web/1', 'nowhere', ['STALE', 'DOES_NOT_EXIST', '', null]);
    client.ack(answer);
    await becomes('prod/web/1', 'nowhere', ['SYNCED', 'DOES_NOT_EXIST', '', null]);
  });

  it('tells what is to be removed and is still held', async () => {
    const client = await join('prod/web/1', { cds: { a: '1', b: '1' } });
    client.ack(await client.next());
    await until(() => world.events.some(({ kind }) => kind === 'acked'));
    publish('prod/web/1', { cds: { a: '1' } });
    const removal = await client.next();
    await becomes('prod/web/1', 'b', ['STALE', 'ACKED', '1', null]);
    client.ack(removal);
    await until(async () => (await told('prod/web/1', 'b')) === undefined);
  });

  it(`tells ${MOST_UNKNOWN_NAMES} of the names of a type that a client makes up`, async () => {
    const client = await join('prod/web/1', { cds: {} });
    client.ask(TYPE.eds, { subscribe: Array.from({ length: 5_000 }, (_, i) => `made-up-${i}`) });
    await until(async () => (await told('prod/web/1', 'made-up-0')) !== undefined);
    const [web] = await fetched();
    assert.equal(web?.generic_xds_configs.length, MOST_UNKNOWN_NAMES);
  });

  it('leaves contents out when asked to', async () => {
    const client = await join('prod/web/1', { cds: { a: '1', b: '1' } });
    client.ack(await client.next());
    publish('prod/web/1', { cds: { a: '2', b: '1' } });
    client.nack(await client.next(), 'no');
    await becomes('prod/web/1', 'a', ['ERROR', 'NACKED', '1', null]);
    const [web] = await fetched({ exclude_resource_contents: true });
    assert.deepEqual(
      web?.generic_xds_configs.map((c) => [c.name, c.xds_config, c.error_state?.failed_configuration ?? null]),
      [
        ['a', null, null],
        ['b', null, null],
      ],
    );
  });

  it('chooses sidecars by their node ids, and refuses what it cannot match', async () => {
    for (const node of ['prod/web/1', 'prod/web/2', 'prod/orders/1']) await join(node, undefined);
    const ids = async (...node_matchers: readonly object[]): Promise<readonly string[]> =>
      (await fetched({ node_matchers })).map(({ node }) => node.id).sort();
    assert.deepEqual(await ids({ node_id: { exact: 'prod/web/2' } }), ['prod/web/2']);
    assert.deepEqual(await ids({ node_id: { prefix: 'PROD/WEB/', ignore_case: true } }), ['prod/web/1', 'prod/web/2']);
    assert.deepEqual(await ids({ node_id: { prefix: 'PROD/WEB/' } }), []);
    assert.deepEqual(await ids({ node_id: { suffix: '/1' } }), ['prod/orders/1', 'prod/web/1']);
    assert.deepEqual(await ids({ node_id: { contains: 'order' } }, { node_id: { exact: 'prod/web/2' } }), [
      'prod/orders/1',
      'prod/web/2',
    ]);
    for (const matcher of [{ node_id: { safe_regex: { regex: '.*' } } }, { node_id: {} }, {}]) {
      const refused = await statusOf(fetchBytes({ node_matchers: [{ node_id: { prefix: '' } }, matcher] }));
      assert.equal(refused, 'INVALID_ARGUMENT node_id takes exact, prefix, suffix or contains');
    }
    const byMetadata = { node_metadatas: [{ path: [{ key: 'zone' }] }] };
    assert.match(
      await statusOf(fetchBytes({ node_matchers: [byMetadata] })),
      /^INVALID_ARGUMENT node_metadatas are not/,
    );
    const garbled = world.operator().call(FETCH, [Buffer.from([0x0a, 0xff])]);
    assert.match(await statusOf(garbled), /^INVALID_ARGUMENT this ClientStatusRequest cannot be read/);
  });

  it('tells of secrets that they are there, and no byte of a private key', async () => {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    const spellings = keySpellings(privateKey);
    const secretOf = (version: string): Snapshot => {
      const value = Secret.encode(
        Secret.fromPartial({
          name: 'id',
          type: {
            $case: 'tlsCertificate',
            value: { privateKey: { specifier: { $case: 'inlineBytes', value: Buffer.from(privateKey) } } },
          },
        }),
      ).finish();
      const any = Any.encode({ typeUrl: TYPE.sds, value: Buffer.from(value) }).finish();
      return new Map([[TYPE.sds, new Map<string, Resource>([['id', { name: 'id', version, any }]])]]);
    };
    const client = await joinForSecret('prod/web/1', secretOf('1'));
    const first = await client.next();
    // The search can find it where it is.
    assert.ok(spellings.some((spelling) => first.resources[0]?.value.includes(spelling)));
    const answers: Buffer[] = [await fetchBytes()];
    client.ack(first);
    await becomes('prod/web/1', 'id', ['SYNCED', 'ACKED', '1', null]);
    answers.push(await fetchBytes());
    publish('prod/web/1', secretOf('2'));
    client.nack(await client.next(), `cannot load ${privateKey}`);
    await becomes('prod/web/1', 'id', ['ERROR', 'NACKED', '1', null]);
    assert.equal((await told('prod/web/1', 'id'))?.error_state?.failed_configuration, null);
    answers.push(await fetchBytes(), ...(await world.operator().call(STREAM, [encodeStatusRequest({})])));
    for (const answer of answers) for (const spelling of spellings) assert.equal(answer.includes(spelling), false);
    assert.equal(createPrivateKey(privateKey).asymmetricKeyType, 'ec');
  });

  const joinForSecret = async (node: string, snapshot: Snapshot): Promise<AdsClient> => {
    const client = world.sidecar(node);
    client.ask(TYPE.sds, { subscribe: ['id'] });
    await until(() => world.streamOf(node) !== undefined);
    publish(node, snapshot);
    return client;
  };

  it('refuses a fetch of more than clients take, and streams it in parts that they do', async () => {
    const large = (name: string): Resource => ({
      name,
      version: '1',
      any: Any.encode({ typeUrl: TYPE.cds, value: Buffer.alloc(700_000) }).finish(),
    });
    const snapshot: Snapshot = new Map([[TYPE.cds, new Map([['large', large('large')]])]]);
    const nodes = Array.from({ length: 7 }, (_, i) => `prod/web/${i}`);
    for (const node of nodes) {
      const client = await join(node, snapshot);
      client.ack(await client.next());
      await until(() => world.ledger.get(world.streamOf(node) ?? ('' as never))?.said === 'settled');
    }
    assert.match(await statusOf(fetchBytes()), /^RESOURCE_EXHAUSTED this answer is larger than 4 MiB: narrow it/);
    assert.equal((await fetched({ exclude_resource_contents: true })).length, 7);
    const parts = await world.operator().call(STREAM, [encodeStatusRequest({})]);
    assert.deepEqual(
      parts.flatMap(decodeStatus).map(({ node }) => node.id),
      nodes,
    );
    assert.ok(parts.length > 1 && parts.every(({ length }) => length < 1.5 * 1024 * 1024));
  });
});

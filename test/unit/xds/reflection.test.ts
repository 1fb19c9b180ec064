import assert from 'node:assert/strict';
import { create, createFileRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { AnySchema, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { service as healthService } from 'grpc-health-check';
import { packAny } from '../../../src/envoy/pack.ts';
import { Listener } from '../../../src/gen/envoy/config/listener/v3/listener.ts';
import { HttpConnectionManager } from '../../../src/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.ts';
import { Any } from '../../../src/gen/google/protobuf/any.ts';
import { TYPE } from '../../../src/xds/resource.ts';
import {
  decodeReflected,
  encodeQuestion,
  type OperatorClient,
  REFLECT,
  REFLECT_OLD,
  type Reflected,
  statusOf,
} from '../../support/operatorClient.ts';
import { type OperatorsWorld, startOperatorsWorld } from './operatorsWorld.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

describe('reflection', function () {
  this.timeout(15_000);
  let world: OperatorsWorld;
  let operator: OperatorClient;

  before(async () => {
    world = await startOperatorsWorld();
    operator = world.operator();
  });
  after(() => world.close());

  const ask = async (questions: readonly object[], method = REFLECT): Promise<readonly Reflected[]> =>
    (await operator.call(method, questions.map(encodeQuestion))).map(decodeReflected);
  const filesOf = (answer: Reflected | undefined) =>
    (answer?.file_descriptor_response?.file_descriptor_proto ?? []).map((bytes) =>
      fromBinary(FileDescriptorProtoSchema, bytes),
    );
  /** What a tool knows after these questions on one stream. */
  const learned = async (...symbols: readonly string[]) => {
    const answers = await ask(symbols.map((file_containing_symbol) => ({ file_containing_symbol })));
    const files = new Map(answers.flatMap(filesOf).map((file) => [file.name, file]));
    return createFileRegistry(create(FileDescriptorSetSchema, { file: [...files.values()] }));
  };

  it('lists every service of this port, under both its names', async () => {
    for (const method of [REFLECT, REFLECT_OLD]) {
      const [answer] = await ask([{ list_services: '' }], method);
      assert.deepEqual(
        answer?.list_services_response?.service.map(({ name }) => name),
        [
          'envoy.service.cluster.v3.ClusterDiscoveryService',
          'envoy.service.discovery.v3.AggregatedDiscoveryService',
          'envoy.service.endpoint.v3.EndpointDiscoveryService',
          'envoy.service.listener.v3.ListenerDiscoveryService',
          'envoy.service.route.v3.RouteDiscoveryService',
          'envoy.service.secret.v3.SecretDiscoveryService',
          'envoy.service.status.v3.ClientStatusDiscoveryService',
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ],
      );
    }
  });

  it('describes every service that it lists, with all that its messages refer to', async () => {
    const [listed] = await ask([{ list_services: '' }]);
    for (const { name } of listed?.list_services_response?.service ?? []) {
      const known = await learned(name);
      assert.ok((known.getService(name)?.methods.length ?? 0) > 0, name);
    }
    const ads = (await learned('envoy.service.discovery.v3.AggregatedDiscoveryService')).getService(
      'envoy.service.discovery.v3.AggregatedDiscoveryService',
    );
    assert.deepEqual(
      ads?.methods.map((m) => `${m.name}(${m.input.typeName}) ${m.methodKind}`),
      [
        'StreamAggregatedResources(envoy.service.discovery.v3.DiscoveryRequest) bidi_streaming',
        'DeltaAggregatedResources(envoy.service.discovery.v3.DeltaDiscoveryRequest) bidi_streaming',
      ],
    );
  });

  it('describes health as the package that serves it does', async () => {
    const known = await learned('grpc.health.v1.Health');
    const ours = known.getService('grpc.health.v1.Health')?.methods.map((m) => [m.name, m.methodKind]);
    const kind = { true: 'server_streaming', false: 'unary' } as const;
    const theirs = Object.values(healthService).map((m) => [m.originalName, kind[`${m.responseStream}`]]);
    assert.deepEqual(
      ours?.map(([name, k]) => [`${name}`.toLowerCase(), k]),
      theirs.map(([name, k]) => [`${name}`.toLowerCase(), k]),
    );
    const answer = Object.values(healthService)[0]?.responseSerialize({ status: 'NOT_SERVING' }) as Buffer;
    const type = known.getMessage('grpc.health.v1.HealthCheckResponse');
    assert.ok(type);
    assert.deepEqual(toJson(type, fromBinary(type, answer)), { status: 'NOT_SERVING' });
  });

  it('is enough to read a listener in an Any, and what stands in Anys inside it', async () => {
    const manager = HttpConnectionManager.fromPartial({ statPrefix: 'inbound' });
    const filter = {
      name: 'hcm',
      configType: { $case: 'typedConfig' as const, value: packAny(HttpConnectionManager, manager) },
    };
    const listener = Listener.fromPartial({ name: 'inbound/8080', filterChains: [{ filters: [filter] }] });
    const bytes = Any.encode(packAny(Listener, listener)).finish();
    const registry = await learned(TYPE.lds.slice(TYPE.lds.indexOf('/') + 1), HCM);
    assert.deepEqual(toJson(AnySchema, fromBinary(AnySchema, bytes), { registry }), {
      '@type': TYPE.lds,
      name: 'inbound/8080',
      filterChains: [
        { filters: [{ name: 'hcm', typedConfig: { '@type': `type.googleapis.com/${HCM}`, statPrefix: 'inbound' } }] },
      ],
    });
  });

  it('finds methods, fields, oneofs and enum values by their names, and files by theirs', async () => {
    const found = await ask([
      { file_containing_symbol: 'envoy.service.discovery.v3.AggregatedDiscoveryService.DeltaAggregatedResources' },
      { file_containing_symbol: `${HCM}.stat_prefix` },
      { file_containing_symbol: `${HCM}.route_specifier` },
      { file_containing_symbol: 'envoy.config.core.v3.GET' },
      { file_by_filename: 'envoy/config/rbac/v3/rbac.proto' },
      { file_containing_extension: { containing_type: 'google.protobuf.MessageOptions', extension_number: 7881811 } },
    ]);
    assert.deepEqual(
      found.map((answer) => filesOf(answer).at(-1)?.name),
      [
        'envoy/service/discovery/v3/ads.proto',
        'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
        'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
        'envoy/config/core/v3/base.proto',
        'envoy/config/rbac/v3/rbac.proto',
        'udpa/annotations/versioning.proto',
      ],
    );
  });

  it('says imports once on a stream, and the file that is asked for each time', async () => {
    const question = { file_containing_symbol: HCM };
    const [first, again] = await ask([question, question]);
    assert.ok(filesOf(first).length > 40);
    assert.deepEqual(
      filesOf(again).map(({ name }) => name),
      [filesOf(first).at(-1)?.name],
    );
  });

  it('answers NOT_FOUND for what is not there and goes on with the stream', async () => {
    const nothing = [
      { file_containing_symbol: 'envoy.config.cluster.v3.Clusterr' },
      { file_containing_symbol: '' },
      { file_by_filename: '../image.binpb' },
      { file_containing_extension: { containing_type: 'google.protobuf.MessageOptions', extension_number: 1 } },
      { all_extension_numbers_of_type: 'no.Such' },
    ];
    const answers = await ask([...nothing, { all_extension_numbers_of_type: 'google.protobuf.MessageOptions' }]);
    assert.deepEqual(
      answers.slice(0, -1).map((answer) => answer.error_response?.error_code),
      nothing.map(() => 5),
    );
    assert.deepEqual(answers.at(-1)?.all_extension_numbers_response?.extension_number, [7881811]);
  });

  it('gives the question back with each answer', async () => {
    const [answer] = await ask([{ host: 'here', list_services: 'all' }]);
    const { host, list_services } = answer?.original_request ?? {};
    assert.deepEqual([answer?.valid_host, host, list_services], ['here', 'here', 'all']);
  });

  it('ends a stream of bytes that are no question as INVALID_ARGUMENT, and a long one as RESOURCE_EXHAUSTED', async () => {
    const garbled = operator.call(REFLECT, [Buffer.from([0x22, 0xff])]);
    assert.match(await statusOf(garbled), /^INVALID_ARGUMENT this ServerReflectionRequest cannot be read/);
    const long = operator.call(REFLECT, [encodeQuestion({ file_containing_symbol: 'a'.repeat(65_536) })]);
    assert.equal(await statusOf(long), 'RESOURCE_EXHAUSTED a request has at most 65536 bytes here');
    const [none] = await ask([{}]);
    assert.equal(none?.error_response?.error_code, 3);
  });
});

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import {
  type DescriptorProtoSchema,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type MethodDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';

/*
 * gRPC's own services as descriptors: they are no part of the Envoy API, and reflection describes everything that it lists.
 * https://github.com/grpc/grpc-proto: grpc/reflection/v1/reflection.proto, grpc/health/v1/health.proto
 */

type Message = MessageInitShape<typeof DescriptorProtoSchema>;
type Method = MessageInitShape<typeof MethodDescriptorProtoSchema>;

const SCALARS: Readonly<Record<string, FieldDescriptorProto_Type>> = {
  string: FieldDescriptorProto_Type.STRING,
  bytes: FieldDescriptorProto_Type.BYTES,
  int32: FieldDescriptorProto_Type.INT32,
};

/** A message of a package. Its fields: `NAME NUMBER TYPE`, then `repeated`, or `choice` for a member of its one oneof. */
const message = (pkg: string, name: string, fields: readonly string[], oneof?: string) => ({
  name,
  field: fields.map((line) => {
    const [field, number, type, more] = line.split(' ');
    const scalar = SCALARS[type ?? ''];
    return {
      name: field ?? '',
      jsonName: protoCamelCase(field ?? ''),
      number: Number(number),
      label: more === 'repeated' ? FieldDescriptorProto_Label.REPEATED : FieldDescriptorProto_Label.OPTIONAL,
      type: scalar ?? (type?.endsWith('Status') ? FieldDescriptorProto_Type.ENUM : FieldDescriptorProto_Type.MESSAGE),
      ...(scalar === undefined ? { typeName: `.${pkg}.${type}` } : {}),
      ...(more === 'choice' ? { oneofIndex: 0 } : {}),
    };
  }),
  oneofDecl: oneof === undefined ? [] : [{ name: oneof }],
});

const file = (pkg: string, messageType: readonly Message[], service: string, method: Method[]): FileDescriptorProto =>
  create(FileDescriptorProtoSchema, {
    name: `${pkg.replaceAll('.', '/')}/${service.toLowerCase()}.proto`,
    package: pkg,
    syntax: 'proto3',
    messageType: [...messageType],
    service: [{ name: service, method }],
  });

const reflection = (pkg: string): FileDescriptorProto =>
  file(
    pkg,
    [
      message(
        pkg,
        'ServerReflectionRequest',
        [
          'host 1 string',
          'file_by_filename 3 string choice',
          'file_containing_symbol 4 string choice',
          'file_containing_extension 5 ExtensionRequest choice',
          'all_extension_numbers_of_type 6 string choice',
          'list_services 7 string choice',
        ],
        'message_request',
      ),
      message(pkg, 'ExtensionRequest', ['containing_type 1 string', 'extension_number 2 int32']),
      message(
        pkg,
        'ServerReflectionResponse',
        [
          'valid_host 1 string',
          'original_request 2 ServerReflectionRequest',
          'file_descriptor_response 4 FileDescriptorResponse choice',
          'all_extension_numbers_response 5 ExtensionNumberResponse choice',
          'list_services_response 6 ListServiceResponse choice',
          'error_response 7 ErrorResponse choice',
        ],
        'message_response',
      ),
      message(pkg, 'FileDescriptorResponse', ['file_descriptor_proto 1 bytes repeated']),
      message(pkg, 'ExtensionNumberResponse', ['base_type_name 1 string', 'extension_number 2 int32 repeated']),
      message(pkg, 'ListServiceResponse', ['service 1 ServiceResponse repeated']),
      message(pkg, 'ServiceResponse', ['name 1 string']),
      message(pkg, 'ErrorResponse', ['error_code 1 int32', 'error_message 2 string']),
    ],
    'ServerReflection',
    [
      {
        name: 'ServerReflectionInfo',
        inputType: `.${pkg}.ServerReflectionRequest`,
        outputType: `.${pkg}.ServerReflectionResponse`,
        clientStreaming: true,
        serverStreaming: true,
      },
    ],
  );

const health = (pkg: string): FileDescriptorProto => {
  const [asks, says] = [`.${pkg}.HealthCheckRequest`, `.${pkg}.HealthCheckResponse`];
  const status = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
  const entry = message(pkg, 'StatusesEntry', ['key 1 string', 'value 2 HealthCheckResponse']);
  return file(
    pkg,
    [
      message(pkg, 'HealthCheckRequest', ['service 1 string']),
      {
        ...message(pkg, 'HealthCheckResponse', ['status 1 HealthCheckResponse.ServingStatus']),
        enumType: [{ name: 'ServingStatus', value: status.map((name, number) => ({ name, number })) }],
      },
      message(pkg, 'HealthListRequest', []),
      {
        ...message(pkg, 'HealthListResponse', ['statuses 1 HealthListResponse.StatusesEntry repeated']),
        nestedType: [{ ...entry, options: { mapEntry: true } }],
      },
    ],
    'Health',
    [
      { name: 'Check', inputType: asks, outputType: says },
      { name: 'Watch', inputType: asks, outputType: says, serverStreaming: true },
      { name: 'List', inputType: `.${pkg}.HealthListRequest`, outputType: `.${pkg}.HealthListResponse` },
    ],
  );
};

/** The services of gRPC's own that this server serves. */
export const GRPC_SERVICES = {
  health: 'grpc.health.v1.Health',
  reflection: 'grpc.reflection.v1.ServerReflection',
  /** The same messages under the name that older clients ask for. */
  oldReflection: 'grpc.reflection.v1alpha.ServerReflection',
} as const;

/** The files that define them. */
export const grpcFiles = (): readonly FileDescriptorProto[] => [
  health('grpc.health.v1'),
  reflection('grpc.reflection.v1'),
  reflection('grpc.reflection.v1alpha'),
];
